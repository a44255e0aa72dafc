//! The storage adapters: one module per database, all tested by the same contract (`tests/contract`).

pub mod memory;
mod merge;
pub mod mongodb;
mod page;
mod settings;
pub mod sql;
mod turns;

use data_encoding::HEXLOWER;

pub(super) use self::turns::StoreTurns;
use crate::core::error::StorageError;
use crate::core::model::CredentialDigest;

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

/// The digest that a store keeps as hex.
fn credential_from_hex(text: &str) -> StorageResult<CredentialDigest> {
    let bytes = HEXLOWER
        .decode(text.as_bytes())
        .map_err(StorageError::corrupt)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| StorageError::corrupt("the credential of a session has not 32 bytes"))?;
    Ok(CredentialDigest(bytes))
}
