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
#[error("{text}")]
pub struct OpenError {
    text: String,
    temporary: bool,
}

impl OpenError {
    fn new(database: impl std::fmt::Display, failure: OpenFailure) -> Self {
        let text = format!("{database} {}", failure.reason);
        Self {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            temporary: failure.temporary,
        }
    }

    /// Whether a later attempt may succeed without a change by an operator: the database does not run yet, or another
    /// process prepares it at the same time.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

/// What failed while a store was opened; the reason follows the database's name.
#[derive(Debug)]
struct OpenFailure {
    reason: String,
    temporary: bool,
}

impl OpenFailure {
    fn temporary(reason: String) -> Self {
        Self {
            reason,
            temporary: true,
        }
    }
}

impl From<String> for OpenFailure {
    fn from(reason: String) -> Self {
        Self {
            reason,
            temporary: false,
        }
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
