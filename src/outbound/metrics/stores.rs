//! The stores with their calls measured.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, Claim, Delivery, Event, Mid, NewEvent, OutboxEvent,
    Position, QueuedEvent, ReportedPresence, Session, SubscriptionFilter, Timestamp, TokenHash,
    UserId, UserSubscription, Waiting,
};
use crate::core::ports::{
    AppStore, AttemptResult, CacheStore, Call, CreateApp, DeliveryLog, EventStore, Metrics, Outbox,
    Pruning, SessionStore, Stores, SubscriptionStore,
};

type Outcome<T> = Result<T, StorageError>;

/// The same stores, with the time of each call counted.
pub fn measured(stores: &Stores, metrics: &Arc<dyn Metrics>) -> Stores {
    Stores {
        apps: Arc::new(Measured {
            inner: Arc::clone(&stores.apps),
            metrics: Arc::clone(metrics),
        }),
        events: Arc::new(Measured {
            inner: Arc::clone(&stores.events),
            metrics: Arc::clone(metrics),
        }),
        subscriptions: Arc::new(Measured {
            inner: Arc::clone(&stores.subscriptions),
            metrics: Arc::clone(metrics),
        }),
        sessions: Arc::new(Measured {
            inner: Arc::clone(&stores.sessions),
            metrics: Arc::clone(metrics),
        }),
        cache: Arc::new(Measured {
            inner: Arc::clone(&stores.cache),
            metrics: Arc::clone(metrics),
        }),
        outbox: Arc::new(Measured {
            inner: Arc::clone(&stores.outbox),
            metrics: Arc::clone(metrics),
        }),
        deliveries: Arc::new(Measured {
            inner: Arc::clone(&stores.deliveries),
            metrics: Arc::clone(metrics),
        }),
        archive: Arc::clone(&stores.archive),
        database: Arc::clone(&stores.database),
    }
}

struct Measured<P: ?Sized> {
    inner: Arc<P>,
    metrics: Arc<dyn Metrics>,
}

impl<P: ?Sized> Measured<P> {
    async fn call<T>(&self, call: Call, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let begun = Instant::now();
        let outcome = work.await;
        let failed = matches!(
            outcome,
            Err(StorageError::Unavailable(_) | StorageError::Corrupt(_))
        );
        self.metrics.call_finished(call, begun.elapsed(), failed);
        outcome
    }
}

#[async_trait]
impl AppStore for Measured<dyn AppStore> {
    async fn create(&self, app: CreateApp) -> Outcome<App> {
        self.call(Call::Write, self.inner.create(app)).await
    }

    async fn update(&self, app: &App, seen: Timestamp) -> Outcome<()> {
        self.call(Call::Write, self.inner.update(app, seen)).await
    }

    async fn delete(&self, ident: &AppIdent) -> Outcome<()> {
        self.call(Call::Write, self.inner.delete(ident)).await
    }

    async fn by_ident(&self, ident: &AppIdent) -> Outcome<Option<App>> {
        self.call(Call::Read, self.inner.by_ident(ident)).await
    }

    async fn by_key(&self, key: &str) -> Outcome<Option<App>> {
        self.call(Call::Read, self.inner.by_key(key)).await
    }

    async fn list(&self, after: u64, limit: usize) -> Outcome<Vec<App>> {
        self.call(Call::Read, self.inner.list(after, limit)).await
    }

    async fn revision(&self) -> Outcome<u64> {
        self.call(Call::Read, self.inner.revision()).await
    }
}

#[async_trait]
impl EventStore for Measured<dyn EventStore> {
    async fn append(&self, events: &[NewEvent]) -> Vec<Outcome<Position>> {
        let begun = Instant::now();
        let results = self.inner.append(events).await;
        self.metrics.call_finished(
            Call::Append,
            begun.elapsed(),
            results.iter().any(Result::is_err),
        );
        results
    }

    async fn positions(&self, app: &AppIdent, mids: &[Mid]) -> Outcome<Vec<Option<Position>>> {
        self.call(Call::Read, self.inner.positions(app, mids)).await
    }

    async fn heads(&self, app: &AppIdent, channels: &[ChannelName]) -> Outcome<Vec<u64>> {
        self.call(Call::Read, self.inner.heads(app, channels)).await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        self.call(Call::Read, self.inner.history(app, channel, before, limit))
            .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        self.call(
            Call::Read,
            self.inner.replay(app, channel, after, upto, limit),
        )
        .await
    }

    async fn recent(&self, app: &AppIdent, limit: usize) -> Outcome<Vec<Event>> {
        self.call(Call::Read, self.inner.recent(app, limit)).await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        self.call(Call::Read, self.inner.inbox(app, user, skip, limit))
            .await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Outcome<u64> {
        self.call(Call::Write, self.inner.prune(pruning, limit))
            .await
    }
}

#[async_trait]
impl SubscriptionStore for Measured<dyn SubscriptionStore> {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Outcome<(UserSubscription, bool)> {
        self.call(Call::Write, self.inner.add(app, user, channel, now))
            .await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Outcome<Option<UserSubscription>> {
        self.call(Call::Write, self.inner.remove(app, user, channel, now))
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Outcome<Vec<UserSubscription>> {
        self.call(Call::Read, self.inner.list(app, filter, after, limit))
            .await
    }

    async fn channels_of(&self, app: &AppIdent, user: &UserId) -> Outcome<Vec<ChannelName>> {
        self.call(Call::Read, self.inner.channels_of(app, user))
            .await
    }
}

#[async_trait]
impl SessionStore for Measured<dyn SessionStore> {
    async fn put(&self, session: &Session) -> Outcome<()> {
        self.call(Call::Write, self.inner.put(session)).await
    }

    async fn get(&self, hash: &TokenHash) -> Outcome<Option<Session>> {
        self.call(Call::Read, self.inner.get(hash)).await
    }

    async fn end(&self, hash: &TokenHash) -> Outcome<()> {
        self.call(Call::Write, self.inner.end(hash)).await
    }

    async fn prune(&self, now: Timestamp) -> Outcome<u64> {
        self.call(Call::Write, self.inner.prune(now)).await
    }
}

#[async_trait]
impl CacheStore for Measured<dyn CacheStore> {
    async fn keep(&self, events: &[CachedEvent]) -> Outcome<()> {
        self.call(Call::Write, self.inner.keep(events)).await
    }

    async fn last(&self, app: &AppIdent, channel: &ChannelName) -> Outcome<Option<CachedEvent>> {
        self.call(Call::Read, self.inner.last(app, channel)).await
    }

    async fn prune(&self, now: Timestamp) -> Outcome<u64> {
        self.call(Call::Write, self.inner.prune(now)).await
    }
}

#[async_trait]
impl Outbox for Measured<dyn Outbox> {
    async fn put(&self, happenings: &[OutboxEvent]) -> Outcome<()> {
        self.call(Call::Write, self.inner.put(happenings)).await
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<Claim>> {
        self.call(Call::Read, self.inner.claim(holder, now, until, limit))
            .await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Outcome<Vec<QueuedEvent>> {
        self.call(Call::Read, self.inner.oldest(claim, limit)).await
    }

    async fn settle(&self, claim: &Claim, settlement: &AttemptResult) -> Outcome<bool> {
        self.call(Call::Write, self.inner.settle(claim, settlement))
            .await
    }

    async fn release(&self, holder: &str) -> Outcome<()> {
        self.call(Call::Write, self.inner.release(holder)).await
    }

    async fn standing(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Outcome<Vec<ReportedPresence>> {
        self.call(Call::Read, self.inner.standing(app, after, limit))
            .await
    }

    async fn depth(&self) -> Outcome<u64> {
        self.call(Call::Read, self.inner.depth()).await
    }
}

#[async_trait]
impl DeliveryLog for Measured<dyn DeliveryLog> {
    async fn waiting(&self, app: &AppIdent) -> Outcome<Vec<Waiting>> {
        self.call(Call::Read, self.inner.waiting(app)).await
    }

    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Outcome<Vec<Delivery>> {
        self.call(Call::Read, self.inner.deliveries(app, before, limit))
            .await
    }

    async fn replay(&self, app: &AppIdent, delivery: u64, now: Timestamp) -> Outcome<u64> {
        self.call(Call::Write, self.inner.replay(app, delivery, now))
            .await
    }

    async fn prune(&self, delivered: Timestamp, given_up: Timestamp, limit: usize) -> Outcome<u64> {
        self.call(Call::Write, self.inner.prune(delivered, given_up, limit))
            .await
    }
}
