//! A store that has its moods: it fails, hangs, or does what it was asked and says that it failed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pushi::core::error::StorageError;
use pushi::core::model::{
    App, AppIdent, ChannelName, Event, Mid, NewEvent, Position, SubscriptionFilter, Timestamp,
    UserId, UserSubscription,
};
use pushi::core::ports::{AppStore, CreateApp, EventStore, Pruning, Stores, SubscriptionStore};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::env::{PATIENCE, Site};
use crate::server::House;

/// How long a call may take, as with every store.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a store does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// What it is asked.
    Well,
    /// Nothing, and says so at once.
    Down,
    /// Nothing until its mood changes, or its time is over.
    Hanging,
    /// What it is asked, and then says that it failed.
    Unsure,
}

/// The mood for some of the calls, and how many of them have come.
pub struct Dial {
    mood: watch::Sender<Mood>,
    calls: watch::Sender<u64>,
}

impl Default for Dial {
    fn default() -> Self {
        Self {
            mood: watch::Sender::new(Mood::Well),
            calls: watch::Sender::new(0),
        }
    }
}

impl Dial {
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub fn calls(&self) -> u64 {
        *self.calls.borrow()
    }

    /// Waits until so many calls have come, all in all.
    pub async fn called(&self, times: u64) {
        let mut calls = self.calls.subscribe();
        timeout(PATIENCE, calls.wait_for(|count| *count >= times))
            .await
            .expect("the store is not called")
            .unwrap();
    }

    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.calls.send_modify(|count| *count += 1);
        let mut mood = self.mood.subscribe();
        let settled = async {
            mood.wait_for(|mood| *mood != Mood::Hanging)
                .await
                .ok()
                .map(|mood| *mood)
        };
        match timeout(STORE_TIMEOUT, settled).await {
            Ok(Some(Mood::Well)) => work.await,
            Ok(Some(Mood::Unsure)) => {
                work.await?;
                Err(StorageError::unavailable("unsure"))
            }
            _ => Err(StorageError::unavailable("down")),
        }
    }
}

/// A store that has its moods.
pub struct Moody {
    inner: Stores,
    /// For `append`.
    pub append: Dial,
    /// For `positions`.
    pub positions: Dial,
    /// For all other questions about events.
    pub read: Dial,
    /// For subscriptions.
    pub subscriptions: Dial,
    /// For reading apps by key.
    pub apps: Dial,
    /// For the revision of the apps.
    pub revision: Dial,
}

impl Moody {
    /// A server over such a store.
    pub async fn house(site: &Site) -> (House<'_>, Arc<Self>) {
        let moody = Arc::new(Self {
            inner: site.stores.clone(),
            append: Dial::default(),
            positions: Dial::default(),
            read: Dial::default(),
            subscriptions: Dial::default(),
            apps: Dial::default(),
            revision: Dial::default(),
        });
        let house = site.house_with(|setup| {
            setup.ports.stores.events = moody.clone();
            setup.ports.stores.subscriptions = moody.clone();
            setup.ports.stores.apps = moody.clone();
        });
        (house.await, moody)
    }

    /// Sets the mood for everything that is about events.
    pub fn events(&self, mood: Mood) {
        for dial in [&self.append, &self.positions, &self.read] {
            dial.set(mood);
        }
    }
}

#[async_trait]
impl EventStore for Moody {
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>> {
        match self
            .append
            .call(async { Ok(self.inner.events.append(events).await) })
            .await
        {
            Ok(results) => results,
            Err(_) => events
                .iter()
                .map(|_| Err(StorageError::unavailable("moody")))
                .collect(),
        }
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        self.positions
            .call(self.inner.events.positions(app, mids))
            .await
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        self.read.call(self.inner.events.heads(app, channels)).await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.read
            .call(self.inner.events.history(app, channel, before, limit))
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
        self.read
            .call(self.inner.events.replay(app, channel, after, upto, limit))
            .await
    }

    async fn recent(&self, app: &AppIdent, limit: usize) -> Result<Vec<Event>, StorageError> {
        self.read.call(self.inner.events.recent(app, limit)).await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        self.read
            .call(self.inner.events.inbox(app, user, skip, limit))
            .await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        self.inner.events.prune(pruning, limit).await
    }
}

#[async_trait]
impl SubscriptionStore for Moody {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError> {
        self.inner.subscriptions.add(app, user, channel, now).await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError> {
        self.inner
            .subscriptions
            .remove(app, user, channel, now)
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError> {
        self.inner
            .subscriptions
            .list(app, filter, after, limit)
            .await
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> Result<Vec<ChannelName>, StorageError> {
        self.subscriptions
            .call(self.inner.subscriptions.channels_of(app, user))
            .await
    }
}

#[async_trait]
impl AppStore for Moody {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        self.inner.apps.create(app).await
    }

    async fn update(&self, app: &App, seen: Timestamp) -> Result<(), StorageError> {
        self.inner.apps.update(app, seen).await
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        self.inner.apps.delete(ident).await
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        self.inner.apps.by_ident(ident).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        // What is answered late is what was true when it was asked.
        let found = self.inner.apps.by_key(key).await;
        self.apps.call(async { found }).await
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        self.inner.apps.list(after, limit).await
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        self.revision.call(self.inner.apps.revision()).await
    }
}
