//! How the connections of a crowd have fared.

use std::collections::BTreeMap;

use crate::cli::bench::measure::report::Report;
use crate::cli::bench::measure::times::Times;

/// What a connection that broke without a word counts as (RFC 6455, section 7.1.5).
pub const BROKEN: u16 = 1006;

/// The connections of a crowd, counted.
pub struct Tally {
    /// On their way.
    pub opening: usize,
    /// On all their channels.
    pub ready: usize,
    /// Turned away before they were ready, by close code or HTTP status.
    pub refused: BTreeMap<u16, u64>,
    /// Ended after they were ready, by close code.
    pub closed: BTreeMap<u16, u64>,
    /// What was first said to be wrong.
    pub first_error: Option<String>,
    /// From the first packet to the last subscription.
    pub times: Times,
    /// From the greeting to the last subscription.
    pub joins: Times,
    /// Bytes that were read.
    pub bytes: u64,
    /// Sockets that ended since somebody last looked, and with which code.
    pub ended: Vec<(usize, u16)>,
}

impl Tally {
    /// Nobody yet.
    pub fn new(times: Times, joins: Times) -> Self {
        Self {
            opening: 0,
            ready: 0,
            refused: BTreeMap::new(),
            closed: BTreeMap::new(),
            first_error: None,
            times,
            joins,
            bytes: 0,
            ended: Vec::new(),
        }
    }

    /// Remembers what was wrong, unless something was before.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.first_error
            .get_or_insert_with(|| what().chars().take(200).collect());
    }

    /// Those who are not in.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Adds how it went.
    pub fn report(&self, report: &mut Report) {
        report.codes("refused", "refused", &self.refused);
        report.codes("closed", "closed", &self.closed);
        if let Some(error) = &self.first_error {
            report.text("first_error", "first error", error);
        }
    }
}
