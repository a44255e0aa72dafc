//! Exponential backoff between attempts.
//!
//! Only computes delays: each caller waits in its own `select!` with its stop signal, so a retry
//! crate that sleeps and calls back would not fit.

use std::time::Duration;

/// Retry delays that double from a base to a maximum. A fixed delay has both of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    failures: u64,
}

impl Backoff {
    /// Starts at `base`; no delay is longer than `max`.
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            failures: 0,
        }
    }

    /// Counts one failed attempt and returns the delay before the next.
    pub fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.delay_after(self.failures)
    }

    /// Starts again at the base, after an attempt that succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay after `failures` consecutive failures (from 1), for a count stored elsewhere.
    pub fn delay_after(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

/// Removes up to half of `delay`, so that attempts which failed together are not repeated together.
/// `random` is any random number; 0 keeps the whole delay.
pub fn jitter(delay: Duration, random: u64) -> Duration {
    let fraction = (random % 1024) as f64 / 1024.0;
    delay.mul_f64(1.0 - fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_until_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay().as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(), Duration::from_millis(100));
    }

    #[test]
    fn any_number_of_failures_has_a_delay() {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(300));
        let backoff = Backoff::new(base, max);
        assert_eq!(backoff.delay_after(0), base);
        assert_eq!(backoff.delay_after(9), Duration::from_secs(256));
        assert_eq!(backoff.delay_after(33), max);
        assert_eq!(backoff.delay_after(u64::MAX), max);
        assert_eq!(Backoff::new(base, base).delay_after(7), base);
    }

    #[test]
    fn jitter_keeps_at_least_half() {
        let delay = Duration::from_secs(4);
        assert_eq!(jitter(delay, 0), delay);
        assert_eq!(jitter(delay, 512), Duration::from_secs(3));
        for random in [1, 511, 1023, 1024, u64::MAX] {
            let shortened = jitter(delay, random);
            assert!(
                delay / 2 <= shortened && shortened <= delay,
                "{shortened:?}"
            );
        }
    }
}
