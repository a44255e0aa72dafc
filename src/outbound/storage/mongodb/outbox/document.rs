//! Queued events as documents.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};

use crate::core::error::StorageError;
use crate::core::model::{
    ChannelName, ClientEventDetails, Notification, OutboxEvent, OutboxEventKind, QueuedEvent,
    Timestamp, UserId, WebhookEvent,
};
use crate::core::ports::OUTBOX_EVENT_BYTES;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::value;

/// The `_id` of the queue of an address.
pub(super) fn queue_id(app_id: i64, address: &str) -> String {
    format!("{app_id}/{address}")
}

/// Encodes an event, without the fields of its queue.
pub(super) fn event_fields(outbox_event: &OutboxEvent) -> Document {
    let (mut user, mut event, mut data, mut socket, mut count) = (None, None, None, None, 0);
    match &outbox_event.kind {
        OutboxEventKind::Occupied | OutboxEventKind::Vacated | OutboxEventKind::CacheMiss => {}
        OutboxEventKind::MemberAdded(member) | OutboxEventKind::MemberRemoved(member) => {
            user = Some(member.as_str())
        }
        OutboxEventKind::ClientEvent(details) => {
            user = details.user.as_ref().map(UserId::as_str);
            (event, data, socket) = (
                Some(&*details.event),
                Some(&*details.data),
                Some(&*details.socket),
            );
        }
        OutboxEventKind::SubscriptionCount(subscribers) => count = value::signed(*subscribers),
        OutboxEventKind::Notification(one) => {
            (event, data, socket) = (Some(&*one.event), Some(&*one.frame), Some(&*one.mid));
        }
    }
    let text = |text: Option<&str>| text.map_or(Bson::Null, Bson::from);
    let bytes = OUTBOX_EVENT_BYTES
        + (outbox_event.channel.as_str().len() + outbox_event.kind.bytes()) as u64;
    doc! {
        "channel": outbox_event.channel.as_str(),
        "kind": outbox_event.kind.name(),
        "user_id": text(user),
        "event": text(event),
        "data": text(data),
        "socket": text(socket),
        "count": count,
        "time": outbox_event.at.micros(),
        "bytes": value::signed(bytes),
    }
}

/// Decodes a queued event that has an id.
pub(super) fn queued_event_from(document: &Document) -> StorageResult<QueuedEvent> {
    let missing = || StorageError::corrupt("a queued event lacks a value");
    let user = value::maybe_text(document, "user_id")?
        .map(user_from)
        .transpose()?;
    let text = |member: &str| value::text(document, member).map(Arc::<str>::from);
    let name = value::text(document, "kind")?;
    if name == OutboxEventKind::NOTIFICATION {
        let kind = OutboxEventKind::Notification(Notification {
            event: text("event")?,
            frame: text("data")?,
            mid: text("socket")?,
            publish: text("publish")?,
        });
        return queued_event(document, kind);
    }
    let kind = WebhookEvent::parse(name)
        .ok_or_else(|| StorageError::corrupt("a queued event has an unknown kind"))?;
    let event_kind = match kind {
        WebhookEvent::ChannelOccupied => OutboxEventKind::Occupied,
        WebhookEvent::ChannelVacated => OutboxEventKind::Vacated,
        WebhookEvent::CacheMiss => OutboxEventKind::CacheMiss,
        WebhookEvent::MemberAdded => OutboxEventKind::MemberAdded(user.ok_or_else(missing)?),
        WebhookEvent::MemberRemoved => OutboxEventKind::MemberRemoved(user.ok_or_else(missing)?),
        WebhookEvent::ClientEvent => OutboxEventKind::ClientEvent(ClientEventDetails {
            event: text("event")?,
            data: text("data")?,
            socket: text("socket")?,
            user,
        }),
        WebhookEvent::SubscriptionCount => {
            OutboxEventKind::SubscriptionCount(value::unsigned(document, "count")?)
        }
    };
    queued_event(document, event_kind)
}

fn queued_event(document: &Document, kind: OutboxEventKind) -> StorageResult<QueuedEvent> {
    Ok(QueuedEvent {
        id: value::unsigned(document, "id")?,
        channel: ChannelName::trusted(value::text(document, "channel")?),
        kind,
        at: Timestamp::from_micros(value::int(document, "time")?),
        since: Timestamp::from_micros(value::int(document, "since")?),
    })
}

pub(super) fn user_from(text: &str) -> StorageResult<UserId> {
    UserId::parse(text).ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))
}
