//! Export and import of all data of an app.

pub(super) mod export;
mod import;

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::events::event_from;
use super::value::{Arg, signed};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, NotificationTarget, SubscriptionInterval,
    TargetKind, UserId, UserSubscription,
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
                export::CHANNELS,
                app,
                after.map_or("", ChannelName::as_str),
                limit,
            )
            .await?;
        rows.iter().map(export::head_from).collect()
    }

    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let ident = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(ident.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(export::EVENTS, &args).await
            })
        });
        rows.await?.iter().map(|row| event_from(app, row)).collect()
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
                Box::pin(async move { import::events(connection, &app, &heads, &events).await })
            })
            .await
    }

    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<SubscriptionInterval>, StorageError> {
        let (app, after) = (
            app.clone(),
            after.map_or(String::new(), |after| after.as_str().to_owned()),
        );
        self.driver
            .read(move |connection| {
                Box::pin(async move { export::intervals(connection, &app, &after, limit).await })
            })
            .await
    }

    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Result<(), StorageError> {
        let (app, open, ended) = (app.clone(), open.to_vec(), ended.to_vec());
        self.driver
            .write(move |connection| {
                Box::pin(
                    async move { import::subscriptions(connection, &app, &open, &ended).await },
                )
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
                export::CACHED,
                app,
                after.map_or("", ChannelName::as_str),
                limit,
            )
            .await?;
        rows.iter()
            .map(|row| export::cached_from(app, row))
            .collect()
    }

    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let app = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                    Arg::Text(kind.name()),
                ];
                connection.rows(export::TARGETS, &args).await
            })
        });
        rows.await?
            .iter()
            .map(|row| export::target_from(kind, row))
            .collect()
    }

    async fn put_targets(
        &self,
        app: &AppIdent,
        targets: &[NotificationTarget],
    ) -> Result<(), StorageError> {
        let (app, targets) = (app.clone(), targets.to_vec());
        self.driver
            .write(move |connection| {
                Box::pin(async move { import::targets(connection, &app, &targets).await })
            })
            .await
    }
}
