//! Events as documents, with the fields that the original reads and our own.

use std::borrow::Cow;

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, FurtherMembers, Mid, NewEvent, Payload, Position, PublishId,
    RESERVED_MEMBERS, Timestamp,
};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::json::{self, Json};
use crate::outbound::storage::mongodb::value;

/// A channel of an existing app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ChannelRef {
    /// The app's ident.
    pub app: AppIdent,
    /// The app's id.
    pub app_id: i64,
    pub channel: ChannelName,
}

impl ChannelRef {
    /// The `_id` of the head.
    pub(super) fn head_id(&self) -> String {
        format!("{}/{}", self.app_id, self.channel)
    }

    /// The `_id` of the event with a serial.
    pub(super) fn event_id(&self, serial: i64) -> String {
        format!("{}/{}/{serial}", self.app, self.channel)
    }
}

/// The `instance` of documents that claim serials for events of the original, which keep their own `_id`. It is not a valid
/// ident of an app.
pub(in super::super) fn claim_instance(app: &str) -> String {
    format!("{app}/numbers")
}

/// Fields of `data` that are not part of `extra`.
const NOT_EXTRA: [&str; 4] = ["event", "channel", "data", "persist"];

/// Encodes an event.
pub(super) fn document_of(
    event: &NewEvent,
    channel_ref: &ChannelRef,
    serial: i64,
    id: i64,
) -> Document {
    let payload = &event.payload;
    let extra =
        serde_json::from_str::<Map<String, Value>>(&payload.extra.to_object()).unwrap_or_default();
    let mut data = json::to_members(&extra);
    data.insert("channel", event.channel.as_str());
    data.insert("event", &*payload.event);
    data.insert("data", &*payload.data);
    let seconds = value::seconds(event.timestamp);
    let mut document = doc! {
        "_id": channel_ref.event_id(serial),
        "instance": channel_ref.app.as_str(),
        "app": channel_ref.app_id,
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
        // `data` cannot contain every member name.
        document.insert("extra", payload.extra.as_str());
    }
    document
}

/// Removes the copy of the further members, which only the original reads: `extra` has them all. Servers refuse different
/// values in it; FerretDB arrays in arrays.
pub(super) fn remove_copied_members(document: &mut Document) {
    if let Some(Bson::Document(data)) = document.get_mut("data") {
        let members = std::mem::take(data).into_iter();
        data.extend(members.filter(|(name, _)| NOT_EXTRA.contains(&name.as_str())));
    }
}

/// Decodes an event that has a serial.
pub(in super::super) fn event_from(app: &AppIdent, document: &Document) -> StorageResult<Event> {
    let empty = Document::new();
    let data = match document.get("data") {
        Some(Bson::Document(data)) => data,
        _ => &empty,
    };
    let ours = document.contains_key("app");
    let extra = if ours {
        FurtherMembers::trusted(value::maybe_text(document, "extra")?.unwrap_or_default())
    } else {
        extra_of(data)?
    };
    Ok(Event {
        new: NewEvent {
            app: app.clone(),
            mid: Mid(value::text(document, "mid")?.into()),
            channel: ChannelName::trusted(value::text(document, "channel")?),
            owner_id: text_of(document, "owner_id")?.as_deref().map(Into::into),
            timestamp: Timestamp::from_seconds(value::float(document, "timestamp")?),
            publish: value::maybe_text(document, "publish")?
                .map(|publish| PublishId(publish.into())),
            payload: Payload {
                event: text_of(data, "event")?
                    .as_deref()
                    .unwrap_or("message")
                    .into(),
                data: text_of(data, "data")?.as_deref().unwrap_or_default().into(),
                extra,
            },
        },
        position: position_from(document)?,
    })
}

/// Reads a member that the original does not restrict to texts.
fn text_of<'d>(document: &'d Document, member: &str) -> StorageResult<Option<Cow<'d, str>>> {
    let value = document.get(member).filter(|value| **value != Bson::Null);
    let text = value.map(json::to_text).transpose();
    text.map_err(StorageError::corrupt)
}

/// Decodes the position of an event.
pub(super) fn position_from(document: &Document) -> StorageResult<Position> {
    Ok(Position {
        id: value::unsigned(document, "id")?,
        serial: value::unsigned(document, "serial")?,
    })
}

/// Builds `extra` for an event of the original.
fn extra_of(data: &Document) -> StorageResult<FurtherMembers> {
    let further = |name: &str| !NOT_EXTRA.contains(&name) && !RESERVED_MEMBERS.contains(&name);
    let members = data
        .iter()
        .filter(|(name, _)| further(name))
        .map(|(name, value)| {
            Ok((
                serde_json::to_string(name)?,
                serde_json::to_string(&Json(value))?,
            ))
        });
    let members: Result<Vec<_>, serde_json::Error> = members.collect();
    Ok(FurtherMembers::of(members.map_err(StorageError::corrupt)?))
}
