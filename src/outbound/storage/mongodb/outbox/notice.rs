//! Notices as documents.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};

use super::super::{Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{
    ChannelName, ClientEventDetails, OutboxEvent, OutboxEventKind, QueuedEvent, Timestamp, UserId,
    WebhookEvent,
};

/// The `_id` of an address's queue.
pub(super) fn queue_id(number: i64, address: &str) -> String {
    format!("{number}/{address}")
}

/// What a notice says, without where and when it waits.
pub(super) fn said(happening: &OutboxEvent) -> Document {
    let (mut user, mut event, mut data, mut socket, mut count) = (None, None, None, None, 0);
    match &happening.what {
        OutboxEventKind::Occupied | OutboxEventKind::Vacated | OutboxEventKind::CacheMiss => {}
        OutboxEventKind::MemberAdded(member) | OutboxEventKind::MemberRemoved(member) => {
            user = Some(member.as_str())
        }
        OutboxEventKind::ClientEvent(said) => {
            user = said.user.as_ref().map(UserId::as_str);
            (event, data, socket) = (Some(&*said.event), Some(&*said.data), Some(&*said.socket));
        }
        OutboxEventKind::SubscriptionCount(number) => count = value::signed(*number),
    }
    let text = |text: Option<&str>| text.map_or(Bson::Null, Bson::from);
    doc! {
        "channel": happening.channel.as_str(),
        "kind": happening.what.kind().name(),
        "user_id": text(user),
        "event": text(event),
        "data": text(data),
        "socket": text(socket),
        "count": count,
        "time": happening.at.micros(),
    }
}

/// The notice of a document that has its number.
pub(super) fn notice_of(document: &Document) -> Outcome<QueuedEvent> {
    let missing = || StorageError::corrupt("a notice lacks a part");
    let user = value::maybe_text(document, "user_id")?
        .map(user_of)
        .transpose()?;
    let text = |member: &str| value::text(document, member).map(Arc::<str>::from);
    let kind = WebhookEvent::parse(value::text(document, "kind")?)
        .ok_or_else(|| StorageError::corrupt("a notice of no known kind"))?;
    let what = match kind {
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
    Ok(QueuedEvent {
        id: value::unsigned(document, "id")?,
        channel: ChannelName::trusted(value::text(document, "channel")?),
        what,
        at: Timestamp::from_micros(value::int(document, "time")?),
        since: Timestamp::from_micros(value::int(document, "since")?),
    })
}

pub(super) fn user_of(text: &str) -> Outcome<UserId> {
    UserId::parse(text).ok_or_else(|| StorageError::corrupt("a user id is none"))
}
