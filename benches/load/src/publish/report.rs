//! The rows of the report that describe the measurement.

use super::ActiveRun;
use super::phases::Measurement;
use crate::measure::report::{Report, Unit};

impl ActiveRun<'_> {
    pub(super) fn report_measurement(
        &self,
        measurement: &Measurement,
        lost: u64,
        report: &mut Report,
    ) {
        let Measurement {
            seconds,
            delivered,
            complete,
            server,
            generator,
        } = measurement;
        let has_subscribers = self.config.subscribers > 0;
        report.figure("seconds", "measured", Unit::Seconds, *seconds);
        report.count("messages", "publishes", *complete);
        report.figure(
            "messages_per_s",
            "publishes per second",
            Unit::Count,
            *complete as f64 / seconds,
        );
        if has_subscribers {
            report.count("deliveries", "deliveries", *delivered);
            report.figure(
                "deliveries_per_s",
                "deliveries per second",
                Unit::Count,
                *delivered as f64 / seconds,
            );
            let tracker = &self.tracker;
            report.latencies("latency", "publish to delivery", &tracker.delivery_times);
            report.latencies(
                "spread",
                "publish to last delivery",
                &tracker.completion_times,
            );
        }
        report.latencies(
            "answer",
            "request to response",
            &self.tracker.response_times,
        );
        report.codes("failed", "failed requests", &self.tracker.failed);
        report.count("lost", "lost", lost);
        let operation = if has_subscribers {
            ("delivery", *delivered)
        } else {
            ("message", *complete)
        };
        report.server_usage(server[0], server[1], *seconds, operation);
        report.generator_usage(generator[0], generator[1], *seconds);
    }
}
