//! The errors of the ports.

use std::error::Error as StdError;

/// The failure of a store operation. The variant carries the meaning; the boxed cause is only for the
/// log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such entity.
    #[error("not found")]
    NotFound,
    /// An entity with the same unique value exists; the text names the field, never its value.
    #[error("{0} is already taken")]
    Conflict(&'static str),
    /// The store cannot be reached, is full, or timed out. A write may or may not have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// Stored data cannot be parsed.
    #[error("stored data is corrupt")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}

impl StorageError {
    /// An [`StorageError::Unavailable`] with `cause` for the log.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// A [`StorageError::Corrupt`] with `cause` for the log.
    pub fn corrupt(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Corrupt(cause.into())
    }

    /// The whole chain of causes on one line, for a log entry.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

/// The bus did not accept or confirm an operation; it retries by itself.
#[derive(Debug, thiserror::Error)]
#[error("the bus is unavailable")]
pub struct BusError(#[source] pub Box<dyn StdError + Send + Sync>);
