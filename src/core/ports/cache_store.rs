//! Storage of the last events of cache channels.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Timestamp};

/// Stores the last event of each cache channel.
#[async_trait]
pub trait CacheStore: Send + Sync {
    /// Replaces the last event of each event's channel; of several events of one channel the last one is kept. Every instance
    /// of the store reads them when this returns. Events of an unknown app are skipped.
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError>;

    /// The channel's last event, until it is pruned also where it has expired (the caller checks); `None` where there is none.
    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError>;

    /// Removes events of all apps that expired at `now` or before; returns how many.
    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError>;
}
