//! The totals that the console shows.

use ::prometheus::IntCounterVec;
use ::prometheus::core::Collector;

use super::PrometheusMetrics;
use crate::core::ports::{Call, Totals};

impl PrometheusMetrics {
    pub(super) fn read_totals(&self) -> Totals {
        let calls = |calls: &[Call]| {
            calls.iter().fold((0, 0.0), |(count, seconds), call| {
                let histogram = self.calls.with_label_values(&[call.name()]);
                (
                    count + histogram.get_sample_count(),
                    seconds + histogram.get_sample_sum(),
                )
            })
        };
        Totals {
            publishes: sum(&self.published),
            deliveries: self.delivered.get(),
            slow_readers: self.closed.with_label_values(&["slow_reader"]).get(),
            errors: sum(&self.errors) + sum(&self.failed_calls),
            store: calls(&[Call::Append, Call::Read, Call::Write]),
            bus: calls(&[Call::Bus]),
        }
    }
}

/// The sum of a family's counters, which are whole numbers.
fn sum(family: &IntCounterVec) -> u64 {
    let families = family.collect();
    let counters = families.iter().flat_map(|family| family.get_metric());
    counters
        .map(|metric| metric.get_counter().get_value() as u64)
        .sum()
}
