//! Counters and latencies of the clients of a pool.

use std::collections::BTreeMap;

use crate::error::BenchError;
use crate::measure::histogram::LatencyHistogram;
use crate::measure::report::Report;

/// The close code of a connection that ended without a close frame (RFC 6455, section 7.1.5).
pub(crate) const ABNORMAL_CLOSURE: u16 = 1006;

/// The longest error text that is kept, in characters.
const ERROR_LENGTH: usize = 200;

pub(crate) struct PoolStats {
    /// Clients between the start of the TCP connection and the last subscription.
    pub(crate) opening: usize,
    /// Clients that are subscribed to all their channels.
    pub(crate) ready: usize,
    /// Clients that failed before they were ready, by close code or HTTP status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Clients that were closed after they were ready, by close code.
    pub(crate) closed: BTreeMap<u16, u64>,
    pub(crate) first_error: Option<String>,
    /// From the first packet of a client to its last subscription.
    pub(crate) connect_times: LatencyHistogram,
    /// From the `connection_established` frame to the last subscription.
    pub(crate) subscribe_times: LatencyHistogram,
    /// Bytes that all clients have read.
    pub(crate) bytes: u64,
    /// Clients that ended, with their close codes, since this was last emptied.
    pub(crate) ended: Vec<(usize, u16)>,
}

impl PoolStats {
    /// # Errors
    ///
    /// See [`LatencyHistogram::new`].
    pub(crate) fn new() -> Result<Self, BenchError> {
        Ok(Self {
            opening: 0,
            ready: 0,
            refused: BTreeMap::new(),
            closed: BTreeMap::new(),
            first_error: None,
            connect_times: LatencyHistogram::new()?,
            subscribe_times: LatencyHistogram::new()?,
            bytes: 0,
            ended: Vec::new(),
        })
    }

    /// Keeps the error unless there was one before.
    pub(crate) fn record_error(&mut self, text: impl FnOnce() -> String) {
        self.first_error
            .get_or_insert_with(|| text().chars().take(ERROR_LENGTH).collect());
    }

    /// The number of refused clients.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Adds refused and closed clients and the first error to a report.
    pub(crate) fn report(&self, report: &mut Report) {
        report.codes("refused", "refused", &self.refused);
        report.codes("closed", "closed", &self.closed);
        if let Some(error) = &self.first_error {
            report.text("first_error", "first error", error);
        }
    }
}
