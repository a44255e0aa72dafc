//! Events.

mod append;
mod read;

use std::sync::Arc;

use async_trait::async_trait;

pub(super) use self::append::append;
#[cfg(test)]
pub(super) use self::read::{HEADS, POSITIONS};
pub(super) use self::read::{HISTORY, RECENT, REPLAY, event_from, page, select_events};
use self::read::{heads, positions};
use super::SqlStore;
use super::driver::Driver;
use super::value::{Arg, signed};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning, ReadLimit};

#[async_trait]
impl<D: Driver> EventStore for SqlStore<D> {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>> {
        let count = events.len();
        let (events, due) = (events.to_vec(), due.to_vec());
        match self
            .driver
            .write(move |connection| {
                Box::pin(async move { append(connection, &events, &due).await })
            })
            .await
        {
            Ok(positions) => positions
                .into_iter()
                .map(|position| position.ok_or(StorageError::NotFound))
                .collect(),
            Err(error) => repeat(error, count),
        }
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        let (app, mids) = (app.clone(), mids.to_vec());
        self.driver
            .read_settled(move |connection| {
                Box::pin(async move { positions(connection, &app, &mids).await })
            })
            .await
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        let (app, channels) = (app.clone(), channels.to_vec());
        self.driver
            .read(move |connection| {
                Box::pin(async move { heads(connection, &app, &channels).await })
            })
            .await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let (app, channel) = (app.clone(), channel.clone());
        let before = signed(before.unwrap_or(u64::MAX));
        let read = self.driver.read(move |connection| {
            Box::pin(async move {
                page(connection, &app, limit, HISTORY, |count, last| {
                    let before = last.map_or(before, |last| signed(last.position.serial));
                    [
                        Arg::Text(app.as_str()),
                        Arg::Text(channel.as_str()),
                        Arg::Int(count),
                        Arg::Int(before),
                    ]
                })
                .await
            })
        });
        read.await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let (app, channel) = (app.clone(), channel.clone());
        let (after, upto) = (signed(after), signed(upto));
        let read = self.driver.read(move |connection| {
            Box::pin(async move {
                page(connection, &app, limit, REPLAY, |count, last| {
                    let after = last.map_or(after, |last| signed(last.position.serial));
                    [
                        Arg::Text(app.as_str()),
                        Arg::Text(channel.as_str()),
                        Arg::Int(count),
                        Arg::Int(after),
                        Arg::Int(upto),
                    ]
                })
                .await
            })
        });
        read.await
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let app = app.clone();
        let before = signed(before.unwrap_or(u64::MAX));
        let read = self.driver.read(move |connection| {
            Box::pin(async move {
                page(connection, &app, limit, RECENT, |count, last| {
                    let before = last.map_or(before, |last| signed(last.position.id));
                    [Arg::Text(app.as_str()), Arg::Int(count), Arg::Int(before)]
                })
                .await
            })
        });
        read.await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.read_inbox(app, user, skip, limit).await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        self.prune_events(pruning, limit).await
    }
}

/// Repeats an error for each of `count` events that shared a transaction.
pub(super) fn repeat<T>(error: StorageError, count: usize) -> Vec<Result<T, StorageError>> {
    let cause = error.chain();
    let copy = || match &error {
        StorageError::NotFound => StorageError::NotFound,
        StorageError::Conflict(what) => StorageError::Conflict(what),
        StorageError::Unavailable(_) => StorageError::unavailable(cause.clone()),
        StorageError::Corrupt(_) => StorageError::corrupt(cause.clone()),
    };
    (0..count).map(|_| Err(copy())).collect()
}
