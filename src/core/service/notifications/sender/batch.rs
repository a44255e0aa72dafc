//! The notifications of one attempt.

use crate::core::model::{Notification, OutboxEventKind, QueuedEvent, Timestamp};

/// The oldest notifications of a target that one attempt sends: one, or those of a digest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// The number of the last one.
    pub upto: u64,
    /// How many there are.
    pub events: u64,
    /// The time from which retries are counted.
    pub since: Timestamp,
    /// Whether the target has others.
    pub more: bool,
    /// Whether it is a direct message.
    pub is_direct: bool,
}

impl Batch {
    /// The first ones of these, at most this number.
    pub(super) fn of(events: &[QueuedEvent], most: usize) -> Self {
        let taken = events.get(..most).unwrap_or(events);
        let first = taken.first();
        Self {
            upto: taken.last().map_or(0, |last| last.id),
            events: taken.len() as u64,
            since: first.map_or_else(Timestamp::default, |first| first.since),
            more: events.len() > taken.len(),
            is_direct: first
                .and_then(notification)
                .is_some_and(Notification::is_direct),
        }
    }
}

/// The notification that a queued event is; `None`: it is an event of a webhook.
pub(super) fn notification(event: &QueuedEvent) -> Option<&Notification> {
    match &event.kind {
        OutboxEventKind::Notification(notification) => Some(notification),
        _ => None,
    }
}
