//! What is known of one channel's order.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::core::ports::BusMessage;

/// More than this never wait on a channel: then what is missing is given up.
const MOST_WAITING: usize = 10_000;

/// Which serial comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The channel's head is being read.
    Opening,
    /// This one.
    At(u64),
    /// Nobody knows: the head could not be read, or nobody watches the channel by its own name.
    Unknown,
}

/// The serials that are missing on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Those in (`after`, `upto`].
    Between { after: u64, upto: u64 },
    /// Perhaps some below this one.
    Below(u64),
}

/// What is known of one channel's order. Persisted events go on by serial; one that is early, and what came after it,
/// waits for those that are missing.
#[derive(Debug)]
pub(super) struct ChannelSequence {
    pub due: Expected,
    /// In the order of arrival.
    waiting: VecDeque<BusMessage>,
    /// Since when something is missing.
    pub late_since: Option<Instant>,
    /// Somebody watches the channel by its own name.
    pub watched: bool,
    /// The sweep found nobody who wants it.
    pub idle: bool,
    /// How often the sweep came by since the last event.
    pub quiet: u32,
}

impl ChannelSequence {
    pub fn new(watched: bool) -> Self {
        let due = if watched {
            Expected::Opening
        } else {
            Expected::Unknown
        };
        Self {
            due,
            waiting: VecDeque::new(),
            late_since: None,
            watched,
            idle: false,
            quiet: 0,
        }
    }

    /// Takes what arrived; what may go on is put into `ready`. `true`: something begins to be missing.
    pub fn take(&mut self, message: BusMessage, ready: &mut VecDeque<BusMessage>) -> bool {
        self.quiet = 0;
        match (self.due, message.serial()) {
            (_, None) if self.waiting.is_empty() => ready.push_back(message),
            // The first ever: nothing can be missing before it.
            (Expected::Unknown, Some(1)) => {
                self.due = Expected::At(2);
                ready.push_back(message);
            }
            (Expected::At(due), Some(serial)) if serial < due => {}
            (Expected::At(due), Some(serial)) if serial == due => {
                self.due = Expected::At(due + 1);
                ready.push_back(message);
            }
            _ => self.waiting.push_back(message),
        }
        if self.waiting.len() > MOST_WAITING {
            self.skip(ready);
        }
        self.settle(ready)
    }

    /// Lets go of what need not wait any more.
    fn settle(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        while let (Expected::At(due), false) = (self.due, self.waiting.is_empty()) {
            let next = self
                .waiting
                .iter()
                .position(|message| message.serial() == Some(due));
            let front_may_go = self
                .waiting
                .front()
                .and_then(BusMessage::serial)
                .is_none_or(|serial| serial < due);
            match next {
                Some(index) => {
                    ready.extend(self.waiting.remove(index));
                    self.due = Expected::At(due + 1);
                }
                None if front_may_go => ready.extend(
                    self.waiting
                        .pop_front()
                        .filter(|message| message.serial().is_none()),
                ),
                None => break,
            }
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
            self.late_since = None;
            return false;
        }
        let begins = self.late_since.is_none() && self.due != Expected::Opening;
        if begins {
            self.late_since = Some(Instant::now());
        }
        begins
    }

    /// The channel's head is known: what is stored up to it is nobody's news here.
    pub fn open(&mut self, head: u64, ready: &mut VecDeque<BusMessage>) -> bool {
        if self.due == Expected::Opening {
            self.due = Expected::At(head.saturating_add(1));
        }
        self.settle(ready)
    }

    /// The head could not be read.
    pub fn open_unknown(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        if self.due == Expected::Opening {
            self.due = Expected::Unknown;
        }
        self.settle(ready)
    }

    /// What is missing now.
    pub fn missing(&self) -> Option<Missing> {
        let lowest = self.lowest()?;
        match self.due {
            Expected::Opening => None,
            Expected::At(due) => Some(Missing::Between {
                after: due - 1,
                upto: lowest - 1,
            }),
            Expected::Unknown => Some(Missing::Below(lowest)),
        }
    }

    /// The waiting event with the lowest serial.
    pub fn first_waiting(&self) -> Option<&BusMessage> {
        self.waiting
            .iter()
            .filter(|message| message.serial().is_some())
            .min_by_key(|message| message.serial())
    }

    fn lowest(&self) -> Option<u64> {
        self.first_waiting().and_then(BusMessage::serial)
    }

    /// Gives up what is missing before the lowest that waits.
    pub fn skip(&mut self, ready: &mut VecDeque<BusMessage>) -> bool {
        if let Some(lowest) = self.lowest() {
            self.due = Expected::At(lowest);
            self.late_since = None;
        }
        self.settle(ready)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::model::{AppIdent, ChannelName, Mid, NewEvent, Payload, Position, Timestamp};

    fn event(serial: u64) -> BusMessage {
        let event = NewEvent {
            app: AppIdent::trusted("a"),
            mid: Mid("m".into()),
            channel: ChannelName::trusted("c"),
            owner_id: None,
            timestamp: Timestamp::default(),
            publish: None,
            payload: Payload {
                event: "e".into(),
                data: "".into(),
                extra: "".into(),
            },
        };
        let position = (serial != 0).then_some(Position { id: serial, serial });
        BusMessage::published(Arc::new(event), position, None)
    }

    /// Feeds serials (0: not persisted) and answers what goes on.
    fn feed(track: &mut ChannelSequence, serials: &[u64]) -> Vec<u64> {
        let mut ready = VecDeque::new();
        for serial in serials {
            track.take(event(*serial), &mut ready);
        }
        seen(ready)
    }

    fn seen(ready: VecDeque<BusMessage>) -> Vec<u64> {
        ready
            .iter()
            .map(|message| message.serial().unwrap_or(0))
            .collect()
    }

    fn opened(head: u64) -> ChannelSequence {
        let mut track = ChannelSequence::new(true);
        track.open(head, &mut VecDeque::new());
        track
    }

    #[test]
    fn events_go_on_by_serial() {
        let mut track = opened(4);
        assert_eq!(feed(&mut track, &[5, 6, 7]), [5, 6, 7]);
        assert_eq!(track.missing(), None);
    }

    #[test]
    fn an_early_event_and_what_follows_it_wait_for_the_missing_one() {
        let mut track = opened(4);
        assert_eq!(feed(&mut track, &[7, 0, 6]), [0; 0]);
        assert_eq!(
            track.missing(),
            Some(Missing::Between { after: 4, upto: 5 })
        );
        assert_eq!(
            feed(&mut track, &[5]),
            [5, 6, 7, 0],
            "what was not persisted stays behind what it followed"
        );
        assert_eq!(track.late_since, None);
    }

    #[test]
    fn late_and_repeated_events_are_dropped() {
        let mut track = opened(4);
        assert_eq!(feed(&mut track, &[3, 4, 5, 5, 6, 5]), [5, 6]);
        assert_eq!(feed(&mut track, &[8, 8, 7, 7]), [7, 8]);
        assert_eq!(track.missing(), None);
    }

    #[test]
    fn what_comes_before_the_head_is_known_waits_and_what_the_head_covers_is_dropped() {
        let mut track = ChannelSequence::new(true);
        assert_eq!(feed(&mut track, &[0, 3, 5, 4]), [0]);
        assert_eq!(
            track.missing(),
            None,
            "nothing is asked for while the head is being read"
        );
        let mut ready = VecDeque::new();
        track.open(3, &mut ready);
        assert_eq!(seen(ready), [4, 5]);
    }

    #[test]
    fn what_is_given_up_is_not_waited_for_again() {
        let mut track = opened(4);
        assert_eq!(feed(&mut track, &[9, 0, 7]), [0; 0]);
        let mut ready = VecDeque::new();
        assert!(track.skip(&mut ready), "8 is missing now");
        assert_eq!(seen(ready), [7]);
        assert_eq!(feed(&mut track, &[5, 6, 8]), [8, 9, 0]);
    }

    #[test]
    fn with_an_unknown_head_the_first_ever_goes_on_and_others_wait() {
        let mut track = ChannelSequence::new(false);
        assert_eq!(feed(&mut track, &[1, 2]), [1, 2]);
        let mut track = ChannelSequence::new(false);
        assert_eq!(feed(&mut track, &[6, 5]), [0; 0]);
        assert_eq!(track.missing(), Some(Missing::Below(5)));
        let mut ready = VecDeque::new();
        track.skip(&mut ready);
        assert_eq!(seen(ready), [5, 6]);
    }

    #[test]
    fn only_so_much_waits() {
        let mut track = opened(0);
        let serials: Vec<u64> = (2..=MOST_WAITING as u64 + 2).collect();
        assert_eq!(feed(&mut track, &serials).len(), MOST_WAITING + 1);
    }
}
