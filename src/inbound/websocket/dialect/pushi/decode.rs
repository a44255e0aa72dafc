//! Decoding of a Pushi client's frames.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::command::PushiCommand;
use crate::core::model::{ChannelName, Limits, Payload, check_event_name};
use crate::core::service::{ClientPublish, Since, Subscribe};
use crate::inbound::websocket::dialect::channel_data::channel_data;
use crate::inbound::websocket::dialect::error_frame::{ErrorFrame, RequestContext};
use crate::inbound::websocket::dialect::fields::{FrameFields, number, string};
use crate::inbound::websocket::dialect::token::{TOKEN_DATA, token};
use crate::inbound::wire::compact;

/// The most characters of a `ref`.
const MAX_REFERENCE: usize = 64;

/// The default `count` of `pusher:latest`.
const DEFAULT_COUNT: u64 = 10;

/// The decoded fields of a frame that its error frame repeats.
#[derive(Default)]
struct ErrorContext {
    request: RequestContext,
    channel: String,
}

impl ErrorContext {
    fn error<T>(&self, code: u16, message: impl Into<String>) -> Result<T, ErrorFrame> {
        Err(ErrorFrame {
            code,
            message: message.into(),
            channel: self.channel.clone(),
            request: self.request.clone(),
        })
    }
}

/// Decodes a frame. `limits` bounds the names. Returns the command and what error frames about it
/// repeat.
///
/// # Errors
///
/// The error frame for an invalid frame.
pub fn decode(text: &str, limits: &Limits) -> Result<(PushiCommand, RequestContext), ErrorFrame> {
    let mut context = ErrorContext::default();
    let fields = parse(text, &context)?;
    let event = fields.event.and_then(string);
    // Cut at the longest valid name, so that a huge one is not sent back.
    context.request.event = event
        .iter()
        .flat_map(|name| name.chars())
        .take(to_usize(limits.event_name).clamp(1, 2000))
        .collect();
    if let Some(reference) = fields.reference {
        match string(reference).filter(|text| text.chars().count() <= MAX_REFERENCE) {
            Some(reference) => context.request.reference = Some(reference),
            None => return context.error(4314, "ref must be a string of at most 64 characters"),
        }
    }
    let Some(event) = event else {
        return context.error(
            4312,
            "the frame has no event: set the member \"event\" to a string",
        );
    };
    let command = match event.as_str() {
        "pusher:subscribe" => subscribe(&fields, &mut context, limits)?,
        "pusher:unsubscribe" => {
            PushiCommand::Unsubscribe(channel_and_data(&fields, &mut context, limits)?.0)
        }
        "pusher:latest" => latest(&fields, &mut context, limits)?,
        "pusher:ping" => PushiCommand::Ping,
        "pusher:token" => match token(fields.data) {
            Some(token) => PushiCommand::Token(token),
            None => return context.error(4314, TOKEN_DATA),
        },
        _ => publish(&event, &fields, &mut context, limits)?,
    };
    Ok((command, context.request))
}

fn parse<'a>(text: &'a str, context: &ErrorContext) -> Result<FrameFields<'a>, ErrorFrame> {
    match serde_json::from_str(text) {
        Ok(fields) => Ok(fields),
        // Another value than an object is rejected at its first character; the rest may still not
        // be JSON.
        Err(error) if error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            context.error(
                4311,
                "the frame is JSON but not an object: send one JSON object per frame",
            )
        }
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            context.error(
                4310,
                format!("the frame is not JSON (at {place}): send one JSON object per frame"),
            )
        }
    }
}

/// The channel of a `pusher:` frame, and the fields of its `data`.
fn channel_and_data<'a>(
    fields: &FrameFields<'a>,
    context: &mut ErrorContext,
    limits: &Limits,
) -> Result<(ChannelName, FrameFields<'a>), ErrorFrame> {
    let Some(data) = fields.data else {
        return context.error(
            4314,
            "the frame has no data: send an object with the member \"channel\"",
        );
    };
    let Ok(inner) = serde_json::from_str::<FrameFields<'a>>(data.get()) else {
        return context.error(4314, "data must be an object with the member \"channel\"");
    };
    let channel = channel(inner.channel, context, limits)?;
    Ok((channel, inner))
}

fn channel(
    value: Option<&RawValue>,
    context: &mut ErrorContext,
    limits: &Limits,
) -> Result<ChannelName, ErrorFrame> {
    let Some(value) = value else {
        return context.error(4314, "no channel: set the member \"channel\"");
    };
    let Some(name) = string(value) else {
        return context.error(4314, "channel must be a string");
    };
    match ChannelName::parse(&name, to_usize(limits.channel_name)) {
        Ok(channel) => {
            context.channel = name;
            Ok(channel)
        }
        Err(error) => {
            context.channel = name
                .chars()
                .take(to_usize(limits.channel_name).clamp(1, 2000))
                .collect();
            context.error(4315, error.to_string())
        }
    }
}

fn to_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn subscribe(
    fields: &FrameFields<'_>,
    context: &mut ErrorContext,
    limits: &Limits,
) -> Result<PushiCommand, ErrorFrame> {
    let (channel, data) = channel_and_data(fields, context, limits)?;
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return context.error(4009, "auth must be a string: <app_key>:<hex>"),
    };
    let channel_data = data
        .channel_data
        .map(|value| channel_data(value, &channel).or_else(|message| context.error(4314, message)))
        .transpose()?;
    let since = data.since.map(|value| since(value, context)).transpose()?;
    let follow = flag(data.follow, "follow", false, context)?;
    let paging = flag(data.paging, "paging", false, context)?;
    Ok(PushiCommand::Subscribe(Box::new(Subscribe {
        channel,
        auth,
        channel_data,
        since,
        follow,
        paging,
    })))
}

fn since(value: &RawValue, context: &ErrorContext) -> Result<Since, ErrorFrame> {
    if let Some(serial) = number(value) {
        return Ok(Since::Serial(serial));
    }
    if string(value).as_deref() == Some("now") {
        return Ok(Since::Now);
    }
    if let Ok(each) = serde_json::from_str::<Map<String, Value>>(value.get()) {
        let serial = |value: &Value| {
            value
                .as_u64()
                .filter(|serial| i64::try_from(*serial).is_ok())
        };
        let each: Option<Vec<_>> = each
            .iter()
            .map(|(name, value)| Some((ChannelName::trusted(name), serial(value)?)))
            .collect();
        if let Some(each) = each {
            return Ok(Since::Each(each));
        }
    }
    context.error(4314, "since must be an integer from 0 or \"now\" (for a personal channel also an object of channel to number)")
}

fn flag(
    value: Option<&RawValue>,
    name: &str,
    default: bool,
    context: &ErrorContext,
) -> Result<bool, ErrorFrame> {
    match value.map(RawValue::get) {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => context.error(4314, format!("{name} must be true or false")),
    }
}

fn latest(
    fields: &FrameFields<'_>,
    context: &mut ErrorContext,
    limits: &Limits,
) -> Result<PushiCommand, ErrorFrame> {
    let (channel, data) = channel_and_data(fields, context, limits)?;
    let whole = |value: Option<&RawValue>, name: &str, default: u64| match value.map(number) {
        None => Ok(default),
        Some(Some(number)) => Ok(number),
        Some(None) => context.error(4314, format!("{name} must be an integer from 0")),
    };
    let skip = whole(data.skip, "skip", 0)?;
    let count = whole(data.count, "count", DEFAULT_COUNT)?;
    Ok(PushiCommand::Latest {
        channel,
        skip,
        count,
    })
}

fn publish(
    name: &str,
    fields: &FrameFields<'_>,
    context: &mut ErrorContext,
    limits: &Limits,
) -> Result<PushiCommand, ErrorFrame> {
    if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
        return context.error(
            4313,
            "not an event of the protocol that a client may send: names beginning with pusher: or pusher_internal: are reserved",
        );
    }
    if let Err(error) = check_event_name(name, to_usize(limits.event_name)) {
        return context.error(4315, error.to_string());
    }
    let channel = channel(fields.channel, context, limits)?;
    let data = match fields.data {
        // As in the original server: an event without data has the data null.
        None => "null".to_owned(),
        Some(value) if value.get().starts_with('"') => match string(value) {
            Some(text) => text,
            None => return context.error(4314, "data contains a string that is not valid Unicode"),
        },
        Some(value) => compact(value.get()).into_owned(),
    };
    let echo = flag(fields.echo, "echo", false, context)?;
    let persist = flag(fields.persist, "persist", true, context)?;
    let payload = Payload {
        event: name.into(),
        data: data.into(),
        extra: Default::default(),
    };
    let reference = context.request.reference.clone();
    Ok(PushiCommand::Publish(Box::new(ClientPublish {
        channel,
        payload,
        persist,
        echo,
        reference,
        behind: false,
    })))
}

#[cfg(test)]
mod tests;
