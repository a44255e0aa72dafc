//! Counting for Prometheus.

mod prometheus;
mod stores;

pub use ::prometheus::Error as MetricsError;
pub use prometheus::PrometheusMetrics;
pub use stores::measured;
