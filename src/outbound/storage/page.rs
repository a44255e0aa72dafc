//! The events of a read within its limit.

use crate::core::model::Event;
use crate::core::ports::ReadLimit;

/// The most events of the first statement of a read: their sizes are not known before. Those that exceed the limit of
/// bytes are read in vain.
const FIRST_BATCH: usize = 32;

/// The events that a read has found, within its limit.
pub(super) struct EventPage {
    events: Vec<Event>,
    bytes: usize,
    limit: ReadLimit,
}

impl EventPage {
    pub(super) fn new(limit: ReadLimit) -> Self {
        Self {
            events: Vec::new(),
            bytes: 0,
            limit,
        }
    }

    /// Whether the limit is reached.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= self.limit.events || self.bytes >= self.limit.bytes
    }

    pub(super) fn push(&mut self, event: Event) {
        self.bytes += event.size();
        self.events.push(event);
    }

    /// The last event, from which a further statement continues.
    pub(super) fn last(&self) -> Option<&Event> {
        self.events.last()
    }

    /// The number of events that are left of the limit.
    pub(super) fn events_left(&self) -> usize {
        self.limit.events.saturating_sub(self.events.len())
    }

    /// The number of events that the next statement reads: as many as the rest of the limit probably has room for.
    pub(super) fn next_batch(&self) -> usize {
        let left = self.events_left();
        if self.limit.bytes == usize::MAX {
            return left;
        }
        match self.bytes.checked_div(self.events.len()) {
            None => left.min(FIRST_BATCH),
            Some(average) => {
                let room = self.limit.bytes.saturating_sub(self.bytes);
                left.min(room / average.max(1) + 1)
            }
        }
    }

    pub(super) fn into_events(self) -> Vec<Event> {
        self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{
        AppIdent, ChannelName, FurtherMembers, Mid, NewEvent, Payload, Position, Timestamp,
    };

    fn event(bytes: usize) -> Event {
        Event {
            new: NewEvent {
                app: AppIdent::trusted("app"),
                mid: Mid("1".into()),
                channel: ChannelName::trusted("room"),
                owner_id: None,
                timestamp: Timestamp::from_micros(0),
                publish: None,
                payload: Payload {
                    event: "e".into(),
                    data: "x".repeat(bytes).into(),
                    extra: FurtherMembers::default(),
                },
            },
            position: Position { id: 1, serial: 1 },
        }
    }

    #[test]
    fn a_page_of_large_events_reads_few_in_vain() {
        let mut page = EventPage::new(ReadLimit {
            events: 1000,
            bytes: 1_000_000,
        });
        assert_eq!(page.next_batch(), FIRST_BATCH);
        page.push(event(200_000));
        assert_eq!((page.next_batch(), page.is_full()), (4, false));
        (0..4).for_each(|_| page.push(event(200_000)));
        assert!(page.is_full());
    }

    #[test]
    fn a_page_of_small_events_takes_two_statements() {
        let mut page = EventPage::new(ReadLimit {
            events: 1000,
            bytes: 1_000_000,
        });
        (0..FIRST_BATCH).for_each(|_| page.push(event(100)));
        assert_eq!(page.next_batch(), 1000 - FIRST_BATCH);
    }
}
