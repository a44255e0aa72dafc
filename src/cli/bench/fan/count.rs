//! What has been published, and who has it.

use std::collections::BTreeMap;

use crate::cli::bench::crowd::Ears;
use crate::cli::bench::mark::Reader;
use crate::cli::bench::measure::times::Times;
use crate::cli::failure::Failure;

/// One publish on its way.
struct Message {
    /// When it was sent, or was to be sent.
    at: u64,
    /// Who does not have it yet; an answer counts as one.
    left: u32,
}

/// All publishes, by their numbers.
pub struct Count {
    reader: Reader,
    messages: Vec<Message>,
    /// By connection: the publish that was sent over it, and when.
    asked: Vec<(u32, u64)>,
    /// Publishes that are not yet everywhere.
    pub outstanding: usize,
    /// Frames that brought a publish.
    pub delivered: u64,
    /// Publishes that are everywhere.
    pub complete: u64,
    /// When something last came.
    pub last: u64,
    /// From a publish to each of its deliveries.
    pub times: Times,
    /// From a publish to its last delivery.
    pub spread: Times,
    /// From a request to its answer.
    pub answers: Times,
    /// Answers that are not a success, by status; 0: none came.
    pub failed: BTreeMap<u16, u64>,
}

impl Count {
    /// With so many connections for requests.
    pub fn new(posts: usize) -> Result<Self, Failure> {
        let times = || Times::new().ok_or_else(|| Failure::command("there is no histogram"));
        Ok(Self {
            reader: Reader::default(),
            messages: Vec::new(),
            asked: vec![(0, 0); posts],
            outstanding: 0,
            delivered: 0,
            complete: 0,
            last: 0,
            times: times()?,
            spread: times()?,
            answers: times()?,
            failed: BTreeMap::new(),
        })
    }

    /// The number of the next publish.
    pub fn next(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// Notes a publish that is due `at`, and will come so many times.
    pub fn sent(&mut self, at: u64, times: u32) {
        self.messages.push(Message { at, left: times });
        self.outstanding += usize::from(times > 0);
        self.complete += u64::from(times == 0);
    }

    /// Notes a publish that goes out as a request.
    pub fn asked(&mut self, post: usize, now: u64, at: u64, times: u32) {
        let number = self.next();
        if let Some(asked) = self.asked.get_mut(post) {
            *asked = (number, now);
        }
        self.sent(at, times + 1);
    }

    /// Begins to count; what was sent before is forgotten, and not known again.
    pub fn begin(&mut self) {
        self.messages
            .iter_mut()
            .for_each(|message| message.left = 0);
        self.outstanding = 0;
        (self.delivered, self.complete) = (0, 0);
        self.failed.clear();
        for times in [&mut self.times, &mut self.spread, &mut self.answers] {
            times.clear();
        }
    }

    /// What is still on its way.
    pub fn missing(&self) -> u64 {
        self.messages
            .iter()
            .map(|message| u64::from(message.left))
            .sum()
    }

    /// One less is missing of a publish.
    fn came(&mut self, number: u32, now: u64) -> Option<u64> {
        let message = self.messages.get_mut(number as usize)?;
        message.left = message.left.checked_sub(1)?;
        let took = now.saturating_sub(message.at);
        self.last = now;
        if message.left == 0 {
            self.outstanding -= 1;
            self.complete += 1;
            self.spread.note(took);
        }
        Some(took)
    }
}

impl Ears for Count {
    fn heard(&mut self, payload: &[u8], now: u64) -> bool {
        let Some(number) = self.reader.number(payload) else {
            return false;
        };
        if let Some(took) = self.came(number, now) {
            self.delivered += 1;
            self.times.note(took);
        }
        true
    }

    fn answered(&mut self, post: usize, status: u16, now: u64) {
        let Some((number, at)) = self.asked.get(post).copied() else {
            return;
        };
        self.came(number, now);
        if (200..300).contains(&status) {
            self.answers.note(now.saturating_sub(at));
        } else {
            *self.failed.entry(status).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::mark;

    fn payload(number: u32) -> Vec<u8> {
        let mut bytes = mark::data(20).into_bytes();
        let at = mark::place(&bytes).unwrap();
        mark::write(&mut bytes, at, number);
        bytes
    }

    #[test]
    fn a_publish_is_complete_when_everybody_has_it() {
        let mut count = Count::new(0).unwrap();
        count.sent(1_000_000, 2);
        assert!(count.heard(&payload(0), 3_000_000) && count.outstanding == 1);
        assert!(count.heard(&payload(0), 5_000_000) && count.outstanding == 0);
        // Once too often, and one that was never sent.
        assert!(count.heard(&payload(0), 5_000_000) && count.heard(&payload(7), 5_000_000));
        assert!(!count.heard(b"something else", 0));
        assert_eq!(
            (count.delivered, count.complete, count.missing()),
            (2, 1, 0)
        );
        assert_eq!(
            (
                count.times.count(),
                count.spread.count(),
                count.spread.at(1.0).abs_diff(4000) < 5
            ),
            (2, 1, true)
        );
        assert_eq!(count.last, 5_000_000);
    }

    #[test]
    fn a_request_is_complete_with_its_answer_too() {
        let mut count = Count::new(2).unwrap();
        count.asked(1, 0, 0, 1);
        count.heard(&payload(0), 1);
        assert_eq!((count.outstanding, count.missing()), (1, 1));
        count.answered(1, 200, 2_000_000);
        assert_eq!(
            (
                count.outstanding,
                count.complete,
                count.answers.longest().abs_diff(2000) < 3
            ),
            (0, 1, true)
        );
        count.asked(1, 0, 0, 0);
        count.answered(1, 503, 1);
        assert_eq!(
            (count.failed.get(&503), count.answers.count()),
            (Some(&1), 1)
        );
    }

    #[test]
    fn what_was_before_the_beginning_does_not_count() {
        let mut count = Count::new(0).unwrap();
        count.sent(0, 2);
        count.begin();
        assert!(count.heard(&payload(0), 1));
        assert_eq!(
            (count.delivered, count.outstanding, count.next()),
            (0, 0, 1)
        );
    }
}
