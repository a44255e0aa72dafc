//! Where the last events of cache channels are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Timestamp};

/// Where the last events of cache channels are kept, one a channel.
#[async_trait]
pub trait CacheStore: Send + Sync {
    /// Keeps each event as its channel's last one, in the place of the one before; of several for one channel the last
    /// counts. They are there for every instance of the store when this returns. Events of an app that is not there are
    /// left out.
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError>;

    /// The channel's last event, also where it has expired (the caller judges) and was not pruned; `None` where there is none.
    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError>;

    /// Removes what expired at `now` or before, of all apps; answers how many.
    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError>;
}
