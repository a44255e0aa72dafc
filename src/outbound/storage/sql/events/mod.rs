//! Events.

mod append;
mod read;

use async_trait::async_trait;

use self::append::append;
#[cfg(test)]
pub(super) use self::read::{HEADS, POSITIONS};
pub(super) use self::read::{HISTORY, HISTORY_BEFORE, RECENT, REPLAY, event_from, select_events};
use self::read::{heads, positions};
use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, signed};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning};

#[async_trait]
impl<D: Driver> EventStore for SqlStore<D> {
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>> {
        let count = events.len();
        let events = events.to_vec();
        match self
            .driver
            .write(move |connection| Box::pin(async move { append(connection, &events).await }))
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
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let (ident, channel) = (app.clone(), channel.clone());
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let [app, channel, limit] = [
                    Arg::Text(ident.as_str()),
                    Arg::Text(channel.as_str()),
                    Arg::Int(signed(limit)),
                ];
                match before {
                    Some(before) => {
                        connection
                            .rows(
                                HISTORY_BEFORE,
                                &[app, channel, limit, Arg::Int(signed(before))],
                            )
                            .await
                    }
                    None => connection.rows(HISTORY, &[app, channel, limit]).await,
                }
            })
        });
        rows.await?.iter().map(|row| event_from(app, row)).collect()
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let (ident, channel) = (app.clone(), channel.clone());
        let bounds = [
            Arg::Int(signed(limit)),
            Arg::Int(signed(after)),
            Arg::Int(signed(upto)),
        ];
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let [limit, after, upto] = bounds;
                let args = [
                    Arg::Text(ident.as_str()),
                    Arg::Text(channel.as_str()),
                    limit,
                    after,
                    upto,
                ];
                connection.rows(REPLAY, &args).await
            })
        });
        rows.await?.iter().map(|row| event_from(app, row)).collect()
    }

    async fn recent(&self, app: &AppIdent, limit: usize) -> Result<Vec<Event>, StorageError> {
        let ident = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                connection
                    .rows(
                        RECENT,
                        &[Arg::Text(ident.as_str()), Arg::Int(signed(limit))],
                    )
                    .await
            })
        });
        rows.await?.iter().map(|row| event_from(app, row)).collect()
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.read_inbox(app, user, skip, limit).await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        self.prune_events(pruning, limit).await
    }
}

/// Repeats an error for each of `count` events that shared a transaction.
fn repeat(error: StorageError, count: usize) -> Vec<Result<Position, StorageError>> {
    let cause = error.chain();
    let copy = || match &error {
        StorageError::NotFound => StorageError::NotFound,
        StorageError::Conflict(what) => StorageError::Conflict(what),
        StorageError::Unavailable(_) => StorageError::unavailable(cause.clone()),
        StorageError::Corrupt(_) => StorageError::corrupt(cause.clone()),
    };
    (0..count).map(|_| Err(copy())).collect()
}
