//! Measuring: latencies, the cost of processes, progress, and the report.

pub(crate) mod histogram;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod report;
