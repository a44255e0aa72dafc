//! What time it is.

use crate::core::model::Timestamp;

/// The wall clock, so that tests can hold it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
