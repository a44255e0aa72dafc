//! Distributions of latencies.

use hdrhistogram::Histogram;

use crate::error::BenchError;

/// An hour in microseconds; longer values are counted as this.
const MAX_MICROSECONDS: u64 = 3_600_000_000;

/// A histogram of microseconds, exact to three digits.
pub(crate) struct LatencyHistogram(Histogram<u64>);

impl LatencyHistogram {
    /// # Errors
    ///
    /// The library rejects the bounds, which are valid.
    pub(crate) fn new() -> Result<Self, BenchError> {
        let histogram = Histogram::new_with_bounds(1, MAX_MICROSECONDS, 3);
        histogram.map(Self).map_err(BenchError::run)
    }

    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds / 1000);
    }

    /// Removes all values.
    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    /// The number of values.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile (0.0 to 1.0) in microseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The largest value in microseconds.
    pub(crate) fn max(&self) -> u64 {
        self.0.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut times = LatencyHistogram::new().unwrap();
        (1..=1000).for_each(|n| times.record(n * 1_000_000));
        let near = |quantile, microseconds: u64| {
            times.quantile(quantile).abs_diff(microseconds) <= microseconds / 500
        };
        assert!(
            near(0.5, 500_000) && near(0.99, 990_000) && times.max().abs_diff(1_000_000) <= 1000
        );
        times.record(u64::MAX);
        assert_eq!(times.count(), 1001);
        times.clear();
        assert_eq!((times.count(), times.quantile(0.5)), (0, 0));
    }
}
