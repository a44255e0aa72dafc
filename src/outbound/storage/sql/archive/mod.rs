//! Moving, in SQL.

pub(super) mod read;
mod write;

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Arg, Connection, Driver};
use super::events::event_of;
use super::number::signed;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, Interval, Target, TargetKind, UserId,
    UserSubscription,
};
use crate::core::ports::Archive;

#[async_trait]
impl<D: Driver> Archive for SqlStore<D> {
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError> {
        let rows = self
            .page(
                read::CHANNELS,
                app,
                after.map_or("", ChannelName::as_str),
                limit,
            )
            .await?;
        rows.iter().map(read::head_of).collect()
    }

    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let wanted = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(wanted.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(read::EVENTS, &args).await
            })
        });
        rows.await?.iter().map(|row| event_of(app, row)).collect()
    }

    async fn put_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Result<(), StorageError> {
        let (app, heads, events) = (app.clone(), heads.to_vec(), events.to_vec());
        self.driver
            .write(move |connection| {
                Box::pin(async move { write::events(connection, &app, &heads, &events).await })
            })
            .await
    }

    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Interval>, StorageError> {
        let (app, after) = (
            app.clone(),
            after.map_or(String::new(), |after| after.as_str().to_owned()),
        );
        self.driver
            .read(move |connection| {
                Box::pin(async move { read::intervals(connection, &app, &after, limit).await })
            })
            .await
    }

    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[Interval],
    ) -> Result<(), StorageError> {
        let (app, open, ended) = (app.clone(), open.to_vec(), ended.to_vec());
        self.driver
            .write(move |connection| {
                Box::pin(async move { write::subscriptions(connection, &app, &open, &ended).await })
            })
            .await
    }

    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError> {
        let rows = self
            .page(
                read::CACHED,
                app,
                after.map_or("", ChannelName::as_str),
                limit,
            )
            .await?;
        rows.iter().map(|row| read::cached_of(app, row)).collect()
    }

    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Target>, StorageError> {
        let app = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                    Arg::Text(kind.name()),
                ];
                connection.rows(read::TARGETS, &args).await
            })
        });
        rows.await?
            .iter()
            .map(|row| read::target_of(kind, row))
            .collect()
    }

    async fn put_targets(&self, app: &AppIdent, targets: &[Target]) -> Result<(), StorageError> {
        let (app, targets) = (app.clone(), targets.to_vec());
        self.driver
            .write(move |connection| {
                Box::pin(async move { write::targets(connection, &app, &targets).await })
            })
            .await
    }
}
