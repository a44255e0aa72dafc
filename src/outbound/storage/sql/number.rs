//! Between the domain's unsigned numbers and the databases' signed ones.

use super::driver::Outcome;
use crate::core::error::StorageError;

/// For a placeholder. A bound above what a column can hold means the same as the largest one that it can.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// From a column that must not be negative.
pub(super) fn unsigned(number: i64) -> Outcome<u64> {
    u64::try_from(number).map_err(StorageError::corrupt)
}
