//! The last events of cache channels.

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
            if let Ok(data) = state.app_data_mut(&event.app) {
                data.cache.insert(event.channel.clone(), event.clone());
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
            .app_data
            .get(app)
            .and_then(|data| data.cache.get(channel))
            .cloned())
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let mut removed = 0;
        for data in self.state.lock().app_data.values_mut() {
            let before = data.cache.len();
            data.cache.retain(|_, event| event.expires > now);
            removed += (before - data.cache.len()) as u64;
        }
        Ok(removed)
    }
}
