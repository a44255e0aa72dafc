//! Events in MongoDB.

mod append;
mod attempt;
mod document;
mod heads;
mod number;
mod put;
mod read;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::action::Find;
use mongodb::bson::Document;

pub(super) use self::attempt::Appends;
pub(super) use self::document::numbers_of;
pub(super) use self::number::Numbered;
use super::fault::classify;
use super::{MongoStore, Outcome};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning};

/// How many values a filter names, or documents a command holds, at most.
pub(super) const MANY: usize = 1000;

#[async_trait]
impl EventStore for MongoStore {
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>> {
        if events.is_empty() {
            return Vec::new();
        }
        // Its turn is taken before anything can be given up: whoever asks what became of it comes after it.
        let turn = self.in_time(async { Ok(Arc::clone(&self.appends).lock_owned().await) });
        let answers = async {
            let mut appends = turn.await?;
            let (store, batch) = (self.clone(), events.to_vec());
            self.to_the_end(async move { store.append_batch(&mut appends, &batch).await })
                .await
        };
        answers.await.unwrap_or_else(|error| {
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
        self.in_time(async {
            let mut appends = self.appends.lock().await;
            self.settle(&mut appends).await?;
            self.read_positions(app, mids).await
        })
        .await
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        self.in_time(self.read_head_serials(app, channels)).await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.in_time(self.read_history(app, channel, before, limit))
            .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.in_time(self.read_replay(app, channel, after, upto, limit))
            .await
    }

    async fn recent(&self, app: &AppIdent, limit: usize) -> Result<Vec<Event>, StorageError> {
        self.in_time(self.read_recent(app, limit)).await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.in_time(self.read_inbox(app, user, skip, limit)).await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        let store = self.clone();
        self.to_the_end(async move { store.prune_events(pruning, limit).await })
            .await
    }
}

/// All that a query finds.
pub(super) async fn all(query: Find<'_, Document>) -> Outcome<Vec<Document>> {
    query
        .await
        .map_err(classify)?
        .try_collect()
        .await
        .map_err(classify)
}
