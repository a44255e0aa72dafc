//! Events.

mod append;
mod backfill;
mod document;
mod heads;
mod import;
mod pending;
mod read;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::action::Find;
use mongodb::bson::Document;

pub(super) use self::backfill::BackfillCache;
pub(super) use self::document::{claim_instance, event_from};
pub(super) use self::pending::AppendState;
use super::MongoStore;
use super::error::classify;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning, ReadLimit};
use crate::outbound::storage::StorageResult;

/// Maximum number of values in a filter, and of documents in a command.
pub(super) const MANY: usize = 1000;

#[async_trait]
impl EventStore for MongoStore {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>> {
        if events.is_empty() {
            return Vec::new();
        }
        // Locked before the task starts, so that a later call of `positions` waits for this append even if its caller is dropped.
        let lock = self.with_timeout(async { Ok(Arc::clone(&self.appends).lock_owned().await) });
        let results = async {
            let mut appends = lock.await?;
            let (store, batch, due) = (self.clone(), events.to_vec(), due.to_vec());
            self.run_to_completion(
                async move { store.append_batch(&mut appends, &batch, &due).await },
            )
            .await
        };
        results.await.unwrap_or_else(|error| {
            let cause = error.chain();
            events
                .iter()
                .map(|_| Err(StorageError::unavailable(cause.clone())))
                .collect()
        })
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        self.with_timeout(async {
            let mut appends = self.appends.lock().await;
            self.resolve_pending(&mut appends).await?;
            self.read_positions(app, mids).await
        })
        .await
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        self.with_timeout(self.read_head_serials(app, channels))
            .await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.with_timeout(self.read_history(app, channel, before, limit))
            .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.with_timeout(self.read_replay(app, channel, after, upto, limit))
            .await
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.with_timeout(self.read_recent(app, before, limit))
            .await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.with_timeout(self.read_inbox(app, user, skip, limit))
            .await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        let store = self.clone();
        self.run_to_completion(async move { store.prune_events(pruning, limit).await })
            .await
    }
}

/// Runs a query and collects all documents.
pub(super) async fn all(query: Find<'_, Document>) -> StorageResult<Vec<Document>> {
    query
        .await
        .map_err(classify)?
        .try_collect()
        .await
        .map_err(classify)
}
