//! Where things are kept: one folder a kind of store, all with the same promises (`tests/contract`).

pub mod memory;
mod merge;
pub mod mongodb;
mod settings;
pub mod sql;

use crate::core::error::StorageError;

/// The result of every call of a store.
pub(super) type StorageResult<T> = Result<T, StorageError>;

/// Why a store could not be opened: one line that says what, where, and what to do about it. It never shows a password.
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
