//! Storage of log-in sessions.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Session, Timestamp, TokenHash};

/// Stores log-in sessions, by the hash of their token.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a session durably; the same hash again replaces it.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn put(&self, session: &Session) -> Result<(), StorageError>;

    /// The session of a token, also where it has expired or its secret is no longer valid (the caller checks); `None` where
    /// there is none, or it was stored before sessions had a `credential`.
    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError>;

    /// Ends a session; does nothing where there is none.
    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError>;

    /// Ends all sessions of an app; does nothing where there is no such app.
    async fn end_all(&self, app: &AppIdent) -> Result<(), StorageError>;

    /// Removes the sessions that expired before `now`; returns how many.
    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError>;
}
