//! The current time.

use crate::core::model::Timestamp;

/// The wall clock; tests replace it by one that they control.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}
