//! Where sessions (logins) are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{Session, Timestamp, TokenHash};

/// Where sessions (logins) are kept; of a token only its hash is.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a session; it is there after a crash. The same hash again replaces it. `NotFound` where its
    /// app is not there.
    async fn put(&self, session: &Session) -> Result<(), StorageError>;

    /// The session of a token, also where it has expired (the caller judges); `None` where there is none.
    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError>;

    /// Ends a session; nothing happens where there is none.
    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError>;

    /// Removes the sessions that expired before `now`; answers how many.
    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError>;
}
