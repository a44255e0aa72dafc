//! Where the last events of cache channels are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Timestamp};

/// Where the last events of cache channels are kept, one a channel.
#[async_trait]
pub trait CacheStore: Send + Sync {
    /// Keeps an event as the channel's last one, in the place of the one before. It is there for every instance of the
    /// store when this returns. `NotFound` where the app is not there.
    async fn put(&self, app: &AppIdent, channel: &ChannelName, event: &CachedEvent) -> Result<(), StorageError>;

    /// The channel's last event, also where it has expired (the caller judges) and was not pruned; `None` where there is none.
    async fn get(&self, app: &AppIdent, channel: &ChannelName) -> Result<Option<CachedEvent>, StorageError>;

    /// Removes what expired before `now`, of all apps; answers how many.
    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError>;
}
