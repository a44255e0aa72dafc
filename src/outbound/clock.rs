//! The system clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::model::Timestamp;
use crate::core::ports::Clock;

/// The wall clock of the operating system; times before 1970 read as 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::default().plus(since)
    }
}
