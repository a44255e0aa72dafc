//! How long something took, many times over.

use hdrhistogram::Histogram;

/// An hour in microseconds: what takes longer counts as that long.
const LONGEST: u64 = 3_600_000_000;

/// A histogram of microseconds, exact to three digits.
pub struct Times(Histogram<u64>);

impl Times {
    /// Empty. `None`: never, since the bounds are good ones.
    pub fn new() -> Option<Self> {
        Histogram::new_with_bounds(1, LONGEST, 3).ok().map(Self)
    }

    /// Notes one, in nanoseconds.
    pub fn note(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds / 1000);
    }

    /// Forgets what was noted.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time in microseconds that this share of them did not exceed.
    pub fn at(&self, share: f64) -> u64 {
        self.0.value_at_quantile(share)
    }

    /// The longest, in microseconds.
    pub fn longest(&self) -> u64 {
        self.0.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_was_noted() {
        let mut times = Times::new().unwrap();
        (1..=1000).for_each(|n| times.note(n * 1_000_000));
        let near =
            |share, microseconds: u64| times.at(share).abs_diff(microseconds) <= microseconds / 500;
        assert!(
            near(0.5, 500_000)
                && near(0.99, 990_000)
                && times.longest().abs_diff(1_000_000) <= 1000
        );
        times.note(u64::MAX);
        assert_eq!(times.count(), 1001);
        times.clear();
        assert_eq!((times.count(), times.at(0.5)), (0, 0));
    }
}
