//! The sequence of one channel's serials.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::core::model::{ServerEvent, Timestamp};
use crate::core::ports::BusMessage;

/// The most messages that a channel holds, and their bytes; beyond them the gap is skipped.
const MAX_HELD: usize = 10_000;
const MAX_HELD_BYTES: usize = 4 << 20;

/// The bytes of a message besides its texts, about.
const MESSAGE_BYTES: usize = 400;

/// The next serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The channel's head is not read yet.
    HeadPending,
    /// This one.
    At(u64),
    /// The head could not be read, or the channel is not watched by its own name.
    Unknown,
}

/// The serials of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The interval (`after`, `upto`].
    Between { after: u64, upto: u64 },
    /// An unknown number below this one, possibly none.
    Below(u64),
}

/// The sequence of one channel. Persisted events are released by serial; an early one, and what
/// arrived after it, is held until the missing ones arrive.
#[derive(Debug)]
pub(super) struct ChannelSequence {
    pub expected: Expected,
    /// The head could not be read when the channel began to be watched, at this time.
    pub head_missed: Option<Timestamp>,
    /// Messages that are held, in the order of arrival, at most [`MAX_HELD`] and [`MAX_HELD_BYTES`].
    held: VecDeque<BusMessage>,
    held_bytes: usize,
    /// The beginning of the gap; `None`: there is none.
    pub gap_since: Option<Instant>,
    /// The time since which the channel is watched by its own name; `None`: it is not.
    pub watched: Option<Timestamp>,
    /// The last sweep found no local subscriber.
    pub unwanted: bool,
    /// Sweeps since the last event.
    pub idle_sweeps: u32,
}

impl ChannelSequence {
    pub(super) fn new(watched: Option<Timestamp>) -> Self {
        Self {
            expected: Self::first_expected(watched),
            head_missed: None,
            held: VecDeque::new(),
            held_bytes: 0,
            gap_since: None,
            watched,
            unwanted: false,
            idle_sweeps: 0,
        }
    }

    fn first_expected(watched: Option<Timestamp>) -> Expected {
        match watched {
            Some(_) => Expected::HeadPending,
            None => Expected::Unknown,
        }
    }

    /// Forgets the serials so far: the channel is that of another app. The next watch reads its head.
    pub(super) fn restart(&mut self) {
        self.expected = Self::first_expected(self.watched);
        self.head_missed = None;
        self.held = VecDeque::new();
        self.held_bytes = 0;
        self.gap_since = None;
    }

    /// Accepts a message that arrived; messages that can be delivered are appended to `ready`.
    /// `true`: a gap begins.
    pub(super) fn accept(&mut self, message: BusMessage, ready: &mut VecDeque<BusMessage>) -> bool {
        self.idle_sweeps = 0;
        match (self.expected, message.serial()) {
            (_, None) if self.held.is_empty() => ready.push_back(message),
            // The channel's first event: nothing can be missing before it.
            (Expected::Unknown, Some(1)) => {
                self.expected = Expected::At(2);
                ready.push_back(message);
            }
            (Expected::HeadPending, Some(1)) if self.head_missed.is_some() => {
                self.expected = Expected::At(2);
                self.head_missed = None;
                ready.push_back(message);
            }
            (Expected::At(due), Some(serial)) if serial < due => {}
            (Expected::At(due), Some(serial)) if serial == due => {
                self.expected = Expected::At(due + 1);
                ready.push_back(message);
            }
            _ => {
                self.held_bytes += bytes(&message);
                self.held.push_back(message);
            }
        }
        if self.held.len() > MAX_HELD || self.held_bytes > MAX_HELD_BYTES {
            self.skip_gap(ready);
        }
        self.release(ready)
    }

    /// Releases what need not be held any more.
    fn release(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        while let (Expected::At(due), false) = (self.expected, self.held.is_empty()) {
            let next = self
                .held
                .iter()
                .position(|message| message.serial() == Some(due));
            let front_is_free = self
                .held
                .front()
                .and_then(BusMessage::serial)
                .is_none_or(|serial| serial < due);
            match next {
                Some(index) => {
                    let next = self.held.remove(index);
                    self.held_bytes -= next.as_ref().map_or(0, bytes);
                    ready.extend(next);
                    self.expected = Expected::At(due + 1);
                }
                None if front_is_free => {
                    let front = self.held.pop_front();
                    self.held_bytes -= front.as_ref().map_or(0, bytes);
                    ready.extend(front.filter(|message| message.serial().is_none()));
                }
                None => break,
            }
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
            self.gap_since = None;
            return false;
        }
        let gap_begins = self.gap_since.is_none() && self.expected != Expected::HeadPending;
        if gap_begins {
            self.gap_since = Some(Instant::now());
        }
        gap_begins
    }

    /// Sets the channel's head: events up to it are not delivered.
    pub(super) fn set_head(&mut self, head: u64, ready: &mut VecDeque<BusMessage>) -> bool {
        if self.expected == Expected::HeadPending {
            self.expected = Expected::At(head.saturating_add(1));
            self.head_missed = None;
        }
        self.release(ready)
    }

    /// The head could not be read.
    pub(super) fn set_head_unknown(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        if self.expected == Expected::HeadPending {
            self.expected = Expected::Unknown;
        }
        self.release(ready)
    }

    /// The current gap.
    pub(super) fn missing(&self) -> Option<Missing> {
        let lowest = self.lowest()?;
        match self.expected {
            Expected::HeadPending => None,
            Expected::At(due) => Some(Missing::Between {
                after: due - 1,
                upto: lowest - 1,
            }),
            Expected::Unknown => Some(Missing::Below(lowest)),
        }
    }

    /// The held event with the lowest serial.
    pub(super) fn first_held(&self) -> Option<&BusMessage> {
        self.held
            .iter()
            .filter(|message| message.serial().is_some())
            .min_by_key(|message| message.serial())
    }

    fn lowest(&self) -> Option<u64> {
        self.first_held().and_then(BusMessage::serial)
    }

    /// Skips the gap before the lowest held serial.
    pub(super) fn skip_gap(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        if let Some(lowest) = self.lowest() {
            self.expected = Expected::At(lowest);
            self.gap_since = None;
        }
        self.release(ready)
    }
}

fn bytes(message: &BusMessage) -> usize {
    let texts = match message {
        BusMessage::Broadcast {
            event: ServerEvent::Published { event, .. },
            ..
        } => event.bytes(),
        _ => 0,
    };
    MESSAGE_BYTES + texts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::model::{AppIdent, ChannelName, Mid, NewEvent, Payload, Position, Timestamp};

    fn event(serial: u64) -> BusMessage {
        event_with(serial, "")
    }

    fn event_with(serial: u64, data: &str) -> BusMessage {
        let event = NewEvent {
            app: AppIdent::trusted("a"),
            mid: Mid("m".into()),
            channel: ChannelName::trusted("c"),
            owner_id: None,
            timestamp: Timestamp::default(),
            publish: None,
            payload: Payload {
                event: "e".into(),
                data: data.into(),
                extra: Default::default(),
            },
        };
        let position = (serial != 0).then_some(Position { id: serial, serial });
        BusMessage::published(Arc::new(event), position, None)
    }

    /// Accepts serials (0: not persisted) and returns those that are released.
    fn feed(sequence: &mut ChannelSequence, serials: &[u64]) -> Vec<u64> {
        let mut ready = VecDeque::new();
        for serial in serials {
            sequence.accept(event(*serial), &mut ready);
        }
        serials_of(ready)
    }

    fn serials_of(ready: VecDeque<BusMessage>) -> Vec<u64> {
        ready
            .iter()
            .map(|message| message.serial().unwrap_or(0))
            .collect()
    }

    fn opened(head: u64) -> ChannelSequence {
        let mut sequence = ChannelSequence::new(Some(Timestamp::default()));
        sequence.set_head(head, &mut VecDeque::new());
        sequence
    }

    #[test]
    fn events_are_released_by_serial() {
        let mut sequence = opened(4);
        assert_eq!(feed(&mut sequence, &[5, 6, 7]), [5, 6, 7]);
        assert_eq!(sequence.missing(), None);
    }

    #[test]
    fn an_early_event_and_its_successors_are_held_until_the_gap_is_filled() {
        let mut sequence = opened(4);
        assert_eq!(feed(&mut sequence, &[7, 0, 6]), [0; 0]);
        assert_eq!(
            sequence.missing(),
            Some(Missing::Between { after: 4, upto: 5 })
        );
        assert_eq!(
            feed(&mut sequence, &[5]),
            [5, 6, 7, 0],
            "an event that is not persisted stays behind its predecessor"
        );
        assert_eq!(sequence.gap_since, None);
    }

    #[test]
    fn late_and_repeated_events_are_dropped() {
        let mut sequence = opened(4);
        assert_eq!(feed(&mut sequence, &[3, 4, 5, 5, 6, 5]), [5, 6]);
        assert_eq!(feed(&mut sequence, &[8, 8, 7, 7]), [7, 8]);
        assert_eq!(sequence.missing(), None);
    }

    #[test]
    fn events_are_held_until_the_head_is_known_and_dropped_up_to_it() {
        let mut sequence = ChannelSequence::new(Some(Timestamp::default()));
        assert_eq!(feed(&mut sequence, &[0, 3, 5, 4]), [0]);
        assert_eq!(
            sequence.missing(),
            None,
            "there is no gap while the head is being read"
        );
        let mut ready = VecDeque::new();
        sequence.set_head(3, &mut ready);
        assert_eq!(serials_of(ready), [4, 5]);
    }

    #[test]
    fn a_skipped_serial_is_not_expected_again() {
        let mut sequence = opened(4);
        assert_eq!(feed(&mut sequence, &[9, 0, 7]), [0; 0]);
        let mut ready = VecDeque::new();
        assert!(sequence.skip_gap(&mut ready), "8 is missing now");
        assert_eq!(serials_of(ready), [7]);
        assert_eq!(feed(&mut sequence, &[5, 6, 8]), [8, 9, 0]);
    }

    #[test]
    fn with_an_unknown_head_only_serial_one_is_released_at_once() {
        let mut sequence = ChannelSequence::new(None);
        assert_eq!(feed(&mut sequence, &[1, 2]), [1, 2]);
        let mut sequence = ChannelSequence::new(None);
        assert_eq!(feed(&mut sequence, &[6, 5]), [0; 0]);
        assert_eq!(sequence.missing(), Some(Missing::Below(5)));
        let mut ready = VecDeque::new();
        sequence.skip_gap(&mut ready);
        assert_eq!(serials_of(ready), [5, 6]);
    }

    #[test]
    fn the_bytes_of_held_events_are_bounded() {
        let mut sequence = opened(0);
        let (data, mut ready) = ("x".repeat(MAX_HELD_BYTES / 8), VecDeque::new());
        for serial in 2..=8 {
            sequence.accept(event_with(serial, &data), &mut ready);
        }
        assert!(ready.is_empty() && sequence.held_bytes > 0);
        sequence.accept(event_with(9, &data), &mut ready);
        assert_eq!((ready.len(), sequence.held_bytes), (8, 0));
    }

    #[test]
    fn the_number_of_held_events_is_bounded() {
        let mut sequence = opened(0);
        let serials: Vec<u64> = (2..=MAX_HELD as u64 + 2).collect();
        assert_eq!(feed(&mut sequence, &serials).len(), MAX_HELD + 1);
    }
}
