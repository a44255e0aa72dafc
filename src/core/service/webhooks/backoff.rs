//! The pause before a receiver is retried.

use std::time::Duration;

use crate::core::backoff::{Backoff, jitter};

/// One second before the second attempt, at most five minutes.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), MAX);

/// The longest pause.
const MAX: Duration = Duration::from_secs(300);

/// The pause after `failed` consecutive attempts (from 1). `random`, any number, reduces it by up to
/// a half, so that receivers that failed together are not retried together.
pub(in crate::core::service) fn pause(failed: u64, random: u64) -> Duration {
    jitter(BACKOFF.delay_after(failed), random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let whole: Vec<u64> = (1..=11).map(|failed| pause(failed, 0).as_secs()).collect();
        assert_eq!(whole, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(u64::MAX, 0), MAX);
    }

    #[test]
    fn jitter_is_at_most_half_the_pause() {
        for random in [0, 1, 511, 1023, 1024, u64::MAX] {
            let pause = pause(3, random);
            assert!(
                Duration::from_secs(2) <= pause && pause <= Duration::from_secs(4),
                "{pause:?}"
            );
        }
        assert_ne!(pause(3, 0), pause(3, 512));
    }
}
