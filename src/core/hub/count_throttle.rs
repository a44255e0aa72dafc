//! The rate at which a channel's subscription count is sent.

use crate::core::model::Timestamp;

/// The largest number of subscribers that receive every change (Pusher's documentation).
const UNTHROTTLED_SUBSCRIBERS: u64 = 100;

/// The interval in microseconds between two counts for more subscribers than that.
const INTERVAL_MICROS: i64 = 5_000_000;

/// The count that a channel's subscribers received last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountThrottle {
    last_count: u64,
    sent_at: Timestamp,
    /// A newer count must be sent once the interval has passed.
    pub due: bool,
}

impl CountThrottle {
    /// Whether the interval after a count for many subscribers has not passed.
    pub(super) fn is_throttled(&self, now: Timestamp) -> bool {
        let passed = now.micros().saturating_sub(self.sent_at.micros());
        // A clock that stepped back throttles nothing.
        self.last_count > UNTHROTTLED_SUBSCRIBERS && (0..INTERVAL_MICROS).contains(&passed)
    }

    /// Whether `count` must be sent now. Otherwise it is marked as due, unless it was the last one
    /// sent.
    pub(super) fn admit(&mut self, count: u64, now: Timestamp) -> bool {
        if count > UNTHROTTLED_SUBSCRIBERS && self.is_throttled(now) {
            self.due |= count != self.last_count;
            return false;
        }
        *self = Self {
            last_count: count,
            sent_at: now,
            due: false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn large_channels_receive_a_count_every_five_seconds() {
        let mut throttle = CountThrottle::default();
        assert!(
            throttle.admit(1, at(0))
                && throttle.admit(2, at(0))
                && throttle.admit(100, at(0))
                && throttle.admit(101, at(0))
        );
        assert!(
            !throttle.admit(102, at(4)) && throttle.due,
            "a count for many was sent four seconds ago"
        );
        assert!(throttle.is_throttled(at(4)) && !throttle.is_throttled(at(5)));
        assert!(throttle.admit(103, at(5)) && !throttle.due);
        assert!(throttle.admit(100, at(6)), "these are few again");
        assert!(
            throttle.admit(101, at(6)),
            "the interval follows a count for many only"
        );
    }

    #[test]
    fn an_unchanged_count_is_not_due() {
        let mut throttle = CountThrottle::default();
        assert!(throttle.admit(500, at(0)));
        assert!(!throttle.admit(500, at(1)) && !throttle.due);
        assert!(throttle.admit(501, at(-1)), "a clock that stepped back");
    }
}
