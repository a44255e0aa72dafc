//! Stores that fail on demand: calls fail, hang, panic, or are done and then reported as failed.

mod outbox;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pushi::core::error::StorageError;
use pushi::core::model::{
    App, AppIdent, ChannelName, Event, Mid, NewEvent, Position, SubscriptionFilter, Timestamp,
    UserId, UserSubscription,
};
use pushi::core::ports::{
    AppStore, CreateApp, EventStore, Pruning, ReadLimit, Stores, SubscriptionStore,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::env::{PATIENCE, TestEnv};
use crate::server::TestServer;

/// The timeout of a call, as with every store.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The cause in the error of a failed call.
pub const FAULT_CAUSE: &str = "injected-fault-cause";

/// What a store does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call succeeds.
    None,
    /// The call fails at once, without effect.
    Unavailable,
    /// The call waits until the fault changes, or fails after `STORE_TIMEOUT`.
    Hang,
    /// The call takes effect and is then reported as failed.
    FailAfterWrite,
    /// The call panics.
    Panic,
}

/// The fault of one group of calls, and the number of calls so far.
pub struct FaultSwitch {
    fault: watch::Sender<Fault>,
    calls: watch::Sender<u64>,
}

impl Default for FaultSwitch {
    fn default() -> Self {
        Self {
            fault: watch::Sender::new(Fault::None),
            calls: watch::Sender::new(0),
        }
    }
}

impl FaultSwitch {
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    pub fn calls(&self) -> u64 {
        *self.calls.borrow()
    }

    /// Waits until the number of calls so far is `times`.
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
        let mut fault = self.fault.subscribe();
        let settled = async {
            fault
                .wait_for(|fault| *fault != Fault::Hang)
                .await
                .ok()
                .map(|fault| *fault)
        };
        match timeout(STORE_TIMEOUT, settled).await {
            Ok(Some(Fault::None)) => work.await,
            Ok(Some(Fault::FailAfterWrite)) => {
                work.await?;
                Err(StorageError::unavailable(FAULT_CAUSE))
            }
            Ok(Some(Fault::Panic)) => panic!("injected fault"),
            _ => Err(StorageError::unavailable(FAULT_CAUSE)),
        }
    }
}

/// Stores with a switch for each group of calls. Calls without a switch always succeed.
pub struct FaultyStore {
    inner: Stores,
    /// The events of each `EventStore::append` so far: app and bytes.
    pub appended: Mutex<Vec<Vec<(AppIdent, usize)>>>,
    /// The events of each `Outbox::put` so far: app and channel.
    pub put: Mutex<Vec<Vec<(AppIdent, ChannelName)>>>,
    /// `EventStore::append`.
    pub append: FaultSwitch,
    /// `EventStore::positions`.
    pub positions: FaultSwitch,
    /// All other reads of events.
    pub read: FaultSwitch,
    /// `SubscriptionStore::channels_of`.
    pub subscriptions: FaultSwitch,
    /// Every call of the `AppStore`.
    pub apps: FaultSwitch,
    /// `AppStore::by_key`.
    pub app_by_key: FaultSwitch,
    /// `AppStore::revision`.
    pub app_revision: FaultSwitch,
    /// `Outbox::put`.
    pub outbox_put: FaultSwitch,
}

impl FaultyStore {
    /// Wraps these stores; no fault is set.
    pub fn over(stores: &Stores) -> Arc<Self> {
        Arc::new(Self {
            inner: stores.clone(),
            appended: Mutex::default(),
            put: Mutex::default(),
            append: FaultSwitch::default(),
            positions: FaultSwitch::default(),
            read: FaultSwitch::default(),
            subscriptions: FaultSwitch::default(),
            apps: FaultSwitch::default(),
            app_by_key: FaultSwitch::default(),
            app_revision: FaultSwitch::default(),
            outbox_put: FaultSwitch::default(),
        })
    }

    /// A server whose events, subscriptions and apps are in such a store.
    pub async fn server(env: &TestEnv) -> (TestServer<'_>, Arc<Self>) {
        let store = Self::over(&env.stores);
        let server = env.server_with(|setup| {
            setup.ports.stores.events = store.clone();
            setup.ports.stores.subscriptions = store.clone();
            setup.ports.stores.apps = store.clone();
        });
        (server.await, store)
    }

    /// Sets the fault of all calls about events.
    pub fn events(&self, fault: Fault) {
        for switch in [&self.append, &self.positions, &self.read] {
            switch.set(fault);
        }
    }
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>> {
        let sizes = events
            .iter()
            .map(|event| (event.app.clone(), event.bytes()));
        self.appended.lock().push(sizes.collect());
        match self
            .append
            .call(async { Ok(self.inner.events.append_due(events, due).await) })
            .await
        {
            Ok(results) => results,
            Err(_) => events
                .iter()
                .map(|_| Err(StorageError::unavailable(FAULT_CAUSE)))
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
        limit: ReadLimit,
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
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.read
            .call(self.inner.events.replay(app, channel, after, upto, limit))
            .await
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.read
            .call(self.inner.events.recent(app, before, limit))
            .await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
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
impl SubscriptionStore for FaultyStore {
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
        limit: usize,
    ) -> Result<Vec<ChannelName>, StorageError> {
        self.subscriptions
            .call(self.inner.subscriptions.channels_of(app, user, limit))
            .await
    }
}

#[async_trait]
impl AppStore for FaultyStore {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        self.apps.call(self.inner.apps.create(app)).await
    }

    async fn update(&self, app: &App, seen: Timestamp) -> Result<(), StorageError> {
        self.apps.call(self.inner.apps.update(app, seen)).await
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        self.apps.call(self.inner.apps.delete(ident)).await
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        self.apps.call(self.inner.apps.by_ident(ident)).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        let call = async {
            // A late answer is what was true at the time of the call.
            let found = self.inner.apps.by_key(key).await;
            self.app_by_key.call(async { found }).await
        };
        self.apps.call(call).await
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        self.apps.call(self.inner.apps.list(after, limit)).await
    }

    async fn count(&self) -> Result<u64, StorageError> {
        self.apps.call(self.inner.apps.count()).await
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        let call = self.app_revision.call(self.inner.apps.revision());
        self.apps.call(call).await
    }
}
