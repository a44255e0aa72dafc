//! Wrappers of the storage ports that record the duration and the failures of each call, and give the apps turns.

mod notifications;
mod outbox;
mod publish_rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, Event, Mid, NewEvent, Position, Session,
    SubscriptionFilter, Timestamp, TokenHash, UserId, UserSubscription,
};
use crate::core::ports::{
    AppStore, CacheStore, Call, CreateApp, EventStore, Metrics, Pruning, ReadLimit, SessionStore,
    Stores, SubscriptionStore,
};
use crate::outbound::storage::{StorageResult, StoreTurns};

/// Wraps all ports except `archive` and `database`.
pub fn instrument(
    stores: &Stores,
    metrics: &Arc<dyn Metrics>,
    pool: u32,
    timeout: Duration,
) -> Stores {
    let turns = Arc::new(StoreTurns::new(pool, timeout));
    Stores {
        apps: wrap(&stores.apps, metrics, &turns),
        events: wrap(&stores.events, metrics, &turns),
        subscriptions: wrap(&stores.subscriptions, metrics, &turns),
        sessions: wrap(&stores.sessions, metrics, &turns),
        cache: wrap(&stores.cache, metrics, &turns),
        outbox: wrap(&stores.outbox, metrics, &turns),
        deliveries: wrap(&stores.deliveries, metrics, &turns),
        targets: wrap(&stores.targets, metrics, &turns),
        due: wrap(&stores.due, metrics, &turns),
        notifications: wrap(&stores.notifications, metrics, &turns),
        rows: wrap(&stores.rows, metrics, &turns),
        archive: Arc::clone(&stores.archive),
        database: Arc::clone(&stores.database),
    }
}

fn wrap<P: ?Sized>(
    inner: &Arc<P>,
    metrics: &Arc<dyn Metrics>,
    turns: &Arc<StoreTurns>,
) -> Arc<Instrumented<P>> {
    Arc::new(Instrumented {
        inner: Arc::clone(inner),
        metrics: Arc::clone(metrics),
        turns: Arc::clone(turns),
    })
}

struct Instrumented<P: ?Sized> {
    inner: Arc<P>,
    metrics: Arc<dyn Metrics>,
    turns: Arc<StoreTurns>,
}

impl<P: ?Sized> Instrumented<P> {
    /// A call that waits for a turn of its app. Only for calls on behalf of a client or back end: those of the server's own tasks
    /// must not wait for one app.
    async fn call_of<T>(
        &self,
        app: &AppIdent,
        call: Call,
        work: impl Future<Output = StorageResult<T>>,
    ) -> StorageResult<T> {
        let _turn = self.turns.take(app).await?;
        self.call(call, work).await
    }

    async fn call<T>(
        &self,
        call: Call,
        work: impl Future<Output = StorageResult<T>>,
    ) -> StorageResult<T> {
        let started = Instant::now();
        let outcome = work.await;
        let failed = matches!(
            outcome,
            Err(StorageError::Unavailable(_) | StorageError::Corrupt(_))
        );
        self.metrics.call_finished(call, started.elapsed(), failed);
        outcome
    }
}

#[async_trait]
impl AppStore for Instrumented<dyn AppStore> {
    async fn create(&self, app: CreateApp) -> StorageResult<App> {
        self.call(Call::Write, self.inner.create(app)).await
    }

    async fn update(&self, app: &App, expected_modified: Timestamp) -> StorageResult<()> {
        let update = self.inner.update(app, expected_modified);
        self.call_of(&app.ident, Call::Write, update).await
    }

    async fn delete(&self, ident: &AppIdent) -> StorageResult<()> {
        self.call_of(ident, Call::Write, self.inner.delete(ident))
            .await
    }

    async fn by_ident(&self, ident: &AppIdent) -> StorageResult<Option<App>> {
        self.call(Call::Read, self.inner.by_ident(ident)).await
    }

    async fn by_key(&self, key: &str) -> StorageResult<Option<App>> {
        self.call(Call::Read, self.inner.by_key(key)).await
    }

    async fn list(&self, after: u64, limit: usize) -> StorageResult<Vec<App>> {
        self.call(Call::Read, self.inner.list(after, limit)).await
    }

    async fn count(&self) -> StorageResult<u64> {
        self.call(Call::Read, self.inner.count()).await
    }

    async fn revision(&self) -> StorageResult<u64> {
        self.call(Call::Read, self.inner.revision()).await
    }
}

#[async_trait]
impl EventStore for Instrumented<dyn EventStore> {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<StorageResult<Position>> {
        let started = Instant::now();
        let results = self.inner.append_due(events, due).await;
        self.metrics.call_finished(
            Call::Append,
            started.elapsed(),
            results.iter().any(Result::is_err),
        );
        results
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> StorageResult<Vec<Option<Position>>> {
        self.call(Call::Read, self.inner.positions(app, mids)).await
    }

    async fn heads(&self, app: &AppIdent, channels: &[ChannelName]) -> StorageResult<Vec<u64>> {
        self.call(Call::Read, self.inner.heads(app, channels)).await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        self.call_of(
            app,
            Call::Read,
            self.inner.history(app, channel, before, limit),
        )
        .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        self.call_of(
            app,
            Call::Read,
            self.inner.replay(app, channel, after, upto, limit),
        )
        .await
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        self.call_of(app, Call::Read, self.inner.recent(app, before, limit))
            .await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        self.call_of(app, Call::Read, self.inner.inbox(app, user, skip, limit))
            .await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> StorageResult<u64> {
        self.call(Call::Write, self.inner.prune(pruning, limit))
            .await
    }
}

#[async_trait]
impl SubscriptionStore for Instrumented<dyn SubscriptionStore> {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> StorageResult<(UserSubscription, bool)> {
        self.call_of(app, Call::Write, self.inner.add(app, user, channel, now))
            .await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> StorageResult<Option<UserSubscription>> {
        self.call_of(app, Call::Write, self.inner.remove(app, user, channel, now))
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> StorageResult<Vec<UserSubscription>> {
        self.call_of(app, Call::Read, self.inner.list(app, filter, after, limit))
            .await
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
        limit: usize,
    ) -> StorageResult<Vec<ChannelName>> {
        self.call_of(app, Call::Read, self.inner.channels_of(app, user, limit))
            .await
    }
}

#[async_trait]
impl SessionStore for Instrumented<dyn SessionStore> {
    async fn put(&self, session: &Session) -> StorageResult<()> {
        self.call_of(&session.app, Call::Write, self.inner.put(session))
            .await
    }

    async fn get(&self, hash: &TokenHash) -> StorageResult<Option<Session>> {
        self.call(Call::Read, self.inner.get(hash)).await
    }

    async fn end(&self, hash: &TokenHash) -> StorageResult<()> {
        self.call(Call::Write, self.inner.end(hash)).await
    }

    async fn end_all(&self, app: &AppIdent) -> StorageResult<()> {
        self.call_of(app, Call::Write, self.inner.end_all(app))
            .await
    }

    async fn prune(&self, now: Timestamp) -> StorageResult<u64> {
        self.call(Call::Write, self.inner.prune(now)).await
    }
}

#[async_trait]
impl CacheStore for Instrumented<dyn CacheStore> {
    async fn keep(&self, events: &[CachedEvent]) -> StorageResult<()> {
        self.call(Call::Write, self.inner.keep(events)).await
    }

    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> StorageResult<Option<CachedEvent>> {
        self.call(Call::Read, self.inner.last(app, channel)).await
    }

    async fn prune(&self, now: Timestamp) -> StorageResult<u64> {
        self.call(Call::Write, self.inner.prune(now)).await
    }
}

#[cfg(test)]
mod tests;
