//! Rate limiting.
//!
//! `governor` is not used: it fixes the quota when a limiter is created, while an app's rates change
//! while it runs, and each connection holds a bucket of two numbers.

use std::time::Duration;

use super::model::Timestamp;

/// A token bucket with the capacity of one second. It has no clock of its own: the caller passes the
/// time, and the rate, which may change at any call. That is why no crate is used: theirs fix the
/// quota when the limiter is created.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    /// Remaining millionths of a token.
    level: u64,
    /// The time of the last refill.
    refilled_at: Timestamp,
}

const TOKEN: u64 = 1_000_000;

impl TokenBucket {
    /// A full bucket for `per_second` events a second.
    pub fn new(per_second: u64, now: Timestamp) -> Self {
        Self {
            level: per_second.saturating_mul(TOKEN),
            refilled_at: now,
        }
    }

    /// Takes a token, if there is one. A rate of 0 means no limit. A clock that steps back refills
    /// nothing.
    pub fn take(&mut self, per_second: u64, now: Timestamp) -> bool {
        if per_second == 0 {
            return true;
        }
        let micros =
            u64::try_from(now.micros().saturating_sub(self.refilled_at.micros())).unwrap_or(0);
        self.refilled_at = now;
        // A token a second is one millionth of a token a microsecond.
        self.level = self
            .level
            .saturating_add(micros.saturating_mul(per_second))
            .min(per_second.saturating_mul(TOKEN));
        if self.level < TOKEN {
            return false;
        }
        self.level -= TOKEN;
        true
    }

    /// The time until the next token at this rate.
    pub fn wait(&self, per_second: u64) -> Duration {
        Duration::from_micros(TOKEN.saturating_sub(self.level) / per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_one_second_and_refills() {
        let at = |micros| Timestamp::from_micros(micros);
        let mut bucket = TokenBucket::new(3, at(0));
        let taken = (0..5).filter(|_| bucket.take(3, at(0))).count();
        assert_eq!(taken, 3);
        assert!(
            !bucket.take(3, at(300_000)),
            "a third of a second has not passed"
        );
        assert!(bucket.take(3, at(640_000)));
        assert!(!bucket.take(3, at(640_000)));
        let later = (0..9).filter(|_| bucket.take(3, at(60_000_000))).count();
        assert_eq!(later, 3, "a minute fills no more than a second's worth");
    }

    #[test]
    fn zero_is_unlimited_and_a_clock_stepping_back_refills_nothing() {
        let mut bucket = TokenBucket::new(0, Timestamp::from_micros(0));
        assert!((0..100).all(|_| bucket.take(0, Timestamp::from_micros(0))));
        let mut bucket = TokenBucket::new(1, Timestamp::from_micros(5_000_000));
        assert!(bucket.take(1, Timestamp::from_micros(5_000_000)));
        assert!(!bucket.take(1, Timestamp::from_micros(1_000_000)));
    }
}
