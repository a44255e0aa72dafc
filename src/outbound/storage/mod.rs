//! The storage adapters: one module per database, all tested by the same contract (`tests/contract`).

pub mod memory;
mod merge;
pub mod mongodb;
mod settings;
pub mod sql;

use crate::core::error::StorageError;

/// The result of every call of a store.
pub(super) type StorageResult<T> = Result<T, StorageError>;

/// The reason why a store could not be opened: one line with the database, the cause and the remedy, without passwords.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl OpenError {
    fn new(text: impl std::fmt::Display) -> Self {
        Self(
            text.to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        )
    }
}
