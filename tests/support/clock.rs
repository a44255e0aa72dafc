//! A clock that tests move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pushi::core::model::Timestamp;
use pushi::core::ports::Clock;

/// A clock that stands still until a test moves it.
pub struct ManualClock {
    micros: AtomicI64,
    /// Microseconds added by each reading.
    step: i64,
}

impl ManualClock {
    /// Stands still at this time, in microseconds since 1970.
    pub fn at_micros(micros: i64) -> Self {
        Self {
            micros: AtomicI64::new(micros),
            step: 0,
        }
    }

    /// Advances by a microsecond with each reading, so that no two readings are equal.
    pub fn stepping(micros: i64) -> Self {
        Self {
            micros: AtomicI64::new(micros),
            step: 1,
        }
    }

    /// Sets the time, in seconds since 1970.
    pub fn set(&self, seconds: i64) {
        self.micros.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.micros
            .fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.fetch_add(self.step, Ordering::SeqCst))
    }
}
