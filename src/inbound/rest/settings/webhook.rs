//! Web hooks in request and answer bodies.

use poem_openapi::registry::MetaSchema;
use serde_json::{Value, json};

use super::address::{WEB_ADDRESS, is_web_address};
use crate::core::model::{Webhook, WebhookEvent};
use crate::inbound::rest::schema::{closed, example, inline, name, plain, shape};

/// The most characters that a channel prefix may have.
const LONGEST_PREFIX: usize = 200;

shape! {
    /// A webhook in the document.
    WebhookShape as "Webhook" = |_| {
        let events = MetaSchema {
            items: Some(Box::new(inline(MetaSchema { enum_items: event_names(), ..plain("string", "The kind of an event.") }))),
            min_items: Some(1),
            max_items: Some(50),
            nullable: true,
            ..plain("array", "The events to send. Default: all.")
        };
        let url = MetaSchema {
            pattern: Some(WEB_ADDRESS.into()),
            ..plain("string", "The address of the receiver, `http` or `https`.")
        };
        let prefix = MetaSchema { nullable: true, ..name("Only channels with this prefix. Default: all.", 0, LONGEST_PREFIX) };
        let schema = MetaSchema {
            required: vec!["url"],
            properties: vec![("url", inline(url)), ("events", inline(events)), ("channel_prefix", inline(prefix))],
            additional_properties: closed(),
            ..plain("object", "A receiver of web hooks about the channels of an app.")
        };
        example(schema, json!({"url": "https://shop.example/hook", "events": ["channel_occupied"], "channel_prefix": "room-"}))
    }
}

fn event_names() -> Vec<Value> {
    WebhookEvent::NAMES
        .iter()
        .map(|(_, name)| Value::from(*name))
        .collect()
}

/// Parses one web hook. The error continues its index in the list.
pub(super) fn read(value: &Value) -> Result<Webhook, String> {
    let members = value.as_object().ok_or(" must be an object with a url")?;
    if let Some(name) = members
        .keys()
        .find(|name| !["url", "events", "channel_prefix"].contains(&name.as_str()))
    {
        return Err(format!(
            ".{name} is unknown: a webhook has url, events and channel_prefix"
        ));
    }
    let url = members
        .get("url")
        .and_then(Value::as_str)
        .filter(|url| is_web_address(url));
    let url =
        url.ok_or(".url must be an http:// or https:// address without credentials and spaces")?;
    Ok(Webhook {
        url: url.into(),
        events: events(members.get("events"))?,
        channel_prefix: prefix(members.get("channel_prefix"))?,
    })
}

fn events(value: Option<&Value>) -> Result<Option<Vec<WebhookEvent>>, String> {
    let must = || {
        let names: Vec<_> = WebhookEvent::NAMES.iter().map(|(_, name)| *name).collect();
        format!(
            ".events must be a list of 1 to 50 of {}, or null (everything)",
            names.join(", ")
        )
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if (1..=50).contains(&list.len()) => {
            let mut events = Vec::with_capacity(list.len());
            for item in list {
                let event = item
                    .as_str()
                    .and_then(WebhookEvent::parse)
                    .ok_or_else(must)?;
                if !events.contains(&event) {
                    events.push(event);
                }
            }
            Ok(Some(events))
        }
        Some(_) => Err(must()),
    }
}

fn prefix(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_prefix(text) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(format!(
            ".channel_prefix must be a string of at most {LONGEST_PREFIX} printable characters, or null"
        )),
    }
}

/// Whether a channel's name could begin so.
pub(super) fn is_prefix(text: &str) -> bool {
    text.chars().count() <= LONGEST_PREFIX && !text.chars().any(char::is_control)
}

/// Shows one.
pub(super) fn show(webhook: &Webhook) -> Value {
    let events = webhook
        .events
        .as_ref()
        .map(|events| events.iter().map(|event| event.name()).collect::<Vec<_>>());
    let mut shown = json!({"url": webhook.url});
    if let Some(members) = shown.as_object_mut() {
        // Omitted members stay omitted, so that reading returns what was written.
        members.extend(events.map(|events| ("events".to_string(), events.into())));
        members.extend(
            webhook
                .channel_prefix
                .as_ref()
                .map(|prefix| ("channel_prefix".to_string(), prefix.as_str().into())),
        );
    }
    shown
}
