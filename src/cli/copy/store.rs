//! One of the two stores of a copy.

use crate::cli::error::CliError;
use crate::core::error::StorageError;
use crate::core::ports::Stores;

/// An open store, with the flag that names it.
pub(super) struct CopyStore {
    pub flag: &'static str,
    pub stores: Stores,
}

/// A storage error, with the flag of the store.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {}", describe(.error))]
pub(crate) struct CopyError {
    flag: &'static str,
    error: StorageError,
}

impl CopyStore {
    /// Adds the flag of this store to an error.
    pub(super) fn error(&self, error: StorageError) -> CopyError {
        CopyError {
            flag: self.flag,
            error,
        }
    }
}

impl From<CopyError> for CliError {
    fn from(error: CopyError) -> Self {
        Self::command(error)
    }
}

fn describe(error: &StorageError) -> String {
    match error {
        StorageError::NotFound => {
            "not found: the data may have been deleted during the copy".to_owned()
        }
        StorageError::Conflict(what) => {
            format!("a different record with the same {what} exists: use an empty store")
        }
        StorageError::Unavailable(_) => {
            format!("{}: continue later with --resume", error.chain())
        }
        StorageError::Corrupt(_) => error.chain(),
    }
}
