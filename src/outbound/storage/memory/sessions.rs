//! Sessions.

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Session, Timestamp, TokenHash};
use crate::core::ports::SessionStore;

#[async_trait]
impl SessionStore for MemoryStore {
    async fn put(&self, session: &Session) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        state.app_data_mut(&session.app)?;
        state.sessions.insert(session.hash, session.clone());
        Ok(())
    }

    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError> {
        Ok(self.state.lock().sessions.get(hash).cloned())
    }

    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError> {
        self.state.lock().sessions.remove(hash);
        Ok(())
    }

    async fn end_all(&self, app: &AppIdent) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        state.sessions.retain(|_, session| session.app != *app);
        Ok(())
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let mut state = self.state.lock();
        let before = state.sessions.len();
        state.sessions.retain(|_, session| session.expires >= now);
        Ok((before - state.sessions.len()) as u64)
    }
}
