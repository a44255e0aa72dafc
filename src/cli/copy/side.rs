//! One of the two stores of a copy.

use crate::cli::failure::Failure;
use crate::core::error::StorageError;
use crate::core::ports::Stores;

/// A store, and how the command's line names it.
pub struct Side {
    pub flag: &'static str,
    pub stores: Stores,
}

/// What a store answered instead of a result, and which.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {}", told(.error))]
pub struct Trouble {
    flag: &'static str,
    error: StorageError,
}

impl Side {
    /// Tells which store a failure is of.
    pub fn trouble(&self, error: StorageError) -> Trouble {
        Trouble {
            flag: self.flag,
            error,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::command(trouble)
    }
}

fn told(error: &StorageError) -> String {
    match error {
        StorageError::NotFound => {
            "what was to be copied is not there any more: was it deleted meanwhile?".to_owned()
        }
        StorageError::Conflict(what) => {
            format!("something else with the same {what} is there already: name an empty store")
        }
        StorageError::Unavailable(_) => format!(
            "{}: once that is mended, the same with --resume goes on",
            error.chain()
        ),
        StorageError::Corrupt(_) => error.chain(),
    }
}
