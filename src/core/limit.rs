//! How fast is too fast.

use std::time::Duration;

use super::model::Timestamp;

/// A token bucket that holds one second's worth. It has no clock of its own: whoever asks says what time it is.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    /// Millionths of a token that are left.
    level: u64,
    /// When it was last filled.
    filled: Timestamp,
}

const TOKEN: u64 = 1_000_000;

impl TokenBucket {
    /// A full bucket for `per_second` events a second.
    pub fn new(per_second: u64, now: Timestamp) -> Self {
        Self {
            level: per_second.saturating_mul(TOKEN),
            filled: now,
        }
    }

    /// Takes a token, if one is there. A rate of 0 means no limit. The rate may change between calls; a clock that
    /// steps back fills nothing.
    pub fn take(&mut self, per_second: u64, now: Timestamp) -> bool {
        if per_second == 0 {
            return true;
        }
        let micros = u64::try_from(now.micros().saturating_sub(self.filled.micros())).unwrap_or(0);
        self.filled = now;
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

    /// How long until the next token is there, at this rate.
    pub fn wait(&self, per_second: u64) -> Duration {
        Duration::from_micros(TOKEN.saturating_sub(self.level) / per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_and_refills() {
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
    fn zero_is_no_limit_and_a_clock_that_steps_back_does_no_harm() {
        let mut bucket = TokenBucket::new(0, Timestamp::from_micros(0));
        assert!((0..100).all(|_| bucket.take(0, Timestamp::from_micros(0))));
        let mut bucket = TokenBucket::new(1, Timestamp::from_micros(5_000_000));
        assert!(bucket.take(1, Timestamp::from_micros(5_000_000)));
        assert!(!bucket.take(1, Timestamp::from_micros(1_000_000)));
    }
}
