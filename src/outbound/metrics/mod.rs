//! Prometheus metrics.

mod instrumented;
mod prometheus;

pub use ::prometheus::Error as MetricsError;
pub use instrumented::instrument;
pub use prometheus::PrometheusMetrics;
