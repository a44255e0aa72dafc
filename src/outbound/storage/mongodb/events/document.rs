//! Events as documents: with the members that the original reads, and ours beside them.

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use super::super::{Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, Mid, NewEvent, Payload, Position, PublishId, RESERVED_MEMBERS,
    Timestamp,
};

/// A channel of an app that is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The app.
    pub app: AppIdent,
    /// Its number.
    pub number: i64,
    /// The channel.
    pub channel: ChannelName,
}

impl Place {
    /// The `_id` of its head's document.
    pub fn head_id(&self) -> String {
        format!("{}/{}", self.number, self.channel)
    }

    /// The `_id` that claims a serial.
    pub fn event_id(&self, serial: i64) -> String {
        format!("{}/{}/{serial}", self.app, self.channel)
    }
}

/// The `instance` of documents that claim serials for events of the original, which keep their own `_id`. No app has it.
pub(in super::super) fn numbers_of(app: &str) -> String {
    format!("{app}/numbers")
}

/// Of a body's members, those that are not told again beside the others.
const TOLD: [&str; 4] = ["event", "channel", "data", "persist"];

/// The document of an event.
pub(super) fn document_of(event: &NewEvent, place: &Place, serial: i64, id: i64) -> Document {
    let payload = &event.payload;
    let extra = serde_json::from_str::<Map<String, Value>>(&format!("{{{}}}", payload.extra))
        .unwrap_or_default();
    let mut data = value::members_of(&extra);
    data.insert("channel", event.channel.as_str());
    data.insert("event", &*payload.event);
    data.insert("data", &*payload.data);
    let seconds = value::seconds(event.timestamp);
    let mut document = doc! {
        "_id": place.event_id(serial),
        "instance": place.app.as_str(),
        "app": place.number,
        "channel": event.channel.as_str(),
        "serial": serial,
        "id": id,
        "mid": &*event.mid.0,
        "owner_id": event.owner_id.as_deref().map_or(Bson::Null, Bson::from),
        "timestamp": event.timestamp.seconds(),
        "data": data,
        "created": seconds,
        "modified": seconds,
        "enabled": true,
        "description": Bson::Null,
        "meta": {},
    };
    if let Some(publish) = &event.publish {
        document.insert("publish", &*publish.0);
    }
    if !payload.extra.is_empty() {
        // Not every member can be told in `data`.
        document.insert("extra", &*payload.extra);
    }
    document
}

/// The event of a document that has its serial.
pub(in super::super) fn event_of(app: &AppIdent, document: &Document) -> Outcome<Event> {
    let nothing = Document::new();
    let data = match document.get("data") {
        Some(Bson::Document(data)) => data,
        _ => &nothing,
    };
    let ours = document.contains_key("app");
    let text = |member: &str| {
        data.get(member)
            .filter(|value| **value != Bson::Null)
            .map(value::text_of)
    };
    let extra = if ours {
        value::maybe_text(document, "extra")?
            .unwrap_or_default()
            .to_owned()
    } else {
        extra_of(data)?
    };
    Ok(Event {
        new: NewEvent {
            app: app.clone(),
            mid: Mid(value::text(document, "mid")?.into()),
            channel: ChannelName::trusted(value::text(document, "channel")?),
            owner_id: value::maybe_text(document, "owner_id")?.map(Into::into),
            timestamp: Timestamp::from_seconds(value::float(document, "timestamp")?),
            publish: value::maybe_text(document, "publish")?
                .map(|publish| PublishId(publish.into())),
            payload: Payload {
                event: text("event").as_deref().unwrap_or("message").into(),
                data: text("data").as_deref().unwrap_or_default().into(),
                extra: extra.into(),
            },
        },
        position: position_of(document)?,
    })
}

/// Where the event of a document stands.
pub(super) fn position_of(document: &Document) -> Outcome<Position> {
    Ok(Position {
        id: value::unsigned(document, "id")?,
        serial: value::unsigned(document, "serial")?,
    })
}

/// The further members of what the original stored.
fn extra_of(data: &Document) -> Outcome<String> {
    let further = |name: &str| !TOLD.contains(&name) && !RESERVED_MEMBERS.contains(&name);
    let members: Map<String, Value> = data
        .iter()
        .filter(|(name, _)| further(name))
        .map(|(name, value)| (name.clone(), value::json_of(value)))
        .collect();
    let text = serde_json::to_string(&members).map_err(StorageError::corrupt)?;
    Ok(text
        .trim_start_matches('{')
        .trim_end_matches('}')
        .to_owned())
}
