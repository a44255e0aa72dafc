//! The errors that cross a port.

use std::error::Error as StdError;

/// What a store can answer instead of a result. The meaning is in the variant; the cause is boxed, for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// What was asked for is not there.
    #[error("not found")]
    NotFound,
    /// Something with the same unique value is there already; the text names which value (never its content).
    #[error("{0} is already taken")]
    Conflict(&'static str),
    /// The store cannot be reached, is full, or did not answer in time. A write may or may not have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored cannot be read as what it should be.
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

/// The bus could not take or confirm something; it keeps trying by itself.
#[derive(Debug, thiserror::Error)]
#[error("the bus is unavailable")]
pub struct BusError(#[source] pub Box<dyn StdError + Send + Sync>);
