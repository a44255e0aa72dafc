//! The last events of cache channels in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Timestamp};
use crate::core::ports::CacheStore;

#[async_trait]
impl CacheStore for MemoryStore {
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        for event in events {
            if let Ok(owned) = state.owned_mut(&event.app) {
                owned.cache.insert(event.channel.clone(), event.clone());
            }
        }
        Ok(())
    }

    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError> {
        Ok(self
            .state
            .lock()
            .owned
            .get(app)
            .and_then(|owned| owned.cache.get(channel))
            .cloned())
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let mut removed = 0;
        for owned in self.state.lock().owned.values_mut() {
            let before = owned.cache.len();
            owned.cache.retain(|_, event| event.expires > now);
            removed += (before - owned.cache.len()) as u64;
        }
        Ok(removed)
    }
}
