//! The state of the rows, for health and metrics.

use std::time::Duration;

use parking_lot::Mutex;

use crate::core::model::Timestamp;

/// The state of the rows that applications insert, as this node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowState {
    /// Whether rows are published at all.
    pub enabled: bool,
    /// The time for which the oldest row has waited; zero: none waits.
    pub lag: Duration,
    /// The rows that this node could not publish since its start.
    pub rejected: u64,
    /// Why it could not publish the last one of them.
    pub last_reason: Option<String>,
    /// Whether the last read of rows failed.
    pub unavailable: bool,
}

pub(super) struct StateCell(Mutex<(RowState, Option<Timestamp>)>);

impl StateCell {
    pub(super) fn new(enabled: bool) -> Self {
        let state = RowState {
            enabled,
            ..RowState::default()
        };
        Self(Mutex::new((state, None)))
    }

    /// The state, with the lag at this time: it grows also while the store does not answer.
    pub(super) fn get(&self, now: Timestamp) -> RowState {
        let (state, oldest) = &*self.0.lock();
        let micros = oldest.map_or(0, |oldest| now.micros().saturating_sub(oldest.micros()));
        RowState {
            lag: Duration::from_micros(u64::try_from(micros).unwrap_or_default()),
            ..state.clone()
        }
    }

    /// The oldest row was read.
    pub(super) fn read(&self, oldest: Option<Timestamp>) {
        let mut cell = self.0.lock();
        cell.0.unavailable = false;
        cell.1 = oldest;
    }

    /// A read failed; returns whether it is the first one.
    pub(super) fn failed(&self) -> bool {
        !std::mem::replace(&mut self.0.lock().0.unavailable, true)
    }

    pub(super) fn rejected(&self, rows: u64, reason: String) {
        let mut cell = self.0.lock();
        cell.0.rejected += rows;
        cell.0.last_reason = Some(reason);
    }
}
