//! One node's access to the store that all nodes share: a memory store that survives every crash, over calls that take time,
//! fail, or take effect and are reported as failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pushi::core::error::StorageError;
use pushi::core::model::{
    App, AppIdent, CachedEvent, ChannelName, Claim, Event, Mid, NewEvent, OutboxEvent, Position,
    QueuedEvent, ReportedPresence, Session, TargetKind, Timestamp, TokenHash, UserId,
};
use pushi::core::ports::{
    AppStore, AttemptResult, CacheStore, CreateApp, EventStore, Outbox, OutboxBytes, Pruning,
    ReadLimit, SessionStore, Stores,
};

use crate::world::World;

pub(crate) struct SimulatedStore {
    pub world: Arc<World>,
    pub inner: Stores,
    /// No call succeeds; those in progress may take effect.
    pub is_down: AtomicBool,
}

impl SimulatedStore {
    pub(crate) fn new(world: &Arc<World>, inner: &Stores) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            inner: inner.clone(),
            is_down: AtomicBool::new(false),
        })
    }

    /// The stores of a node with this access.
    pub(crate) fn stores(self: &Arc<Self>) -> Stores {
        Stores {
            apps: self.clone(),
            events: self.clone(),
            sessions: self.clone(),
            outbox: self.clone(),
            cache: self.clone(),
            ..self.inner.clone()
        }
    }

    fn fails(&self) -> bool {
        self.is_down.load(Ordering::Relaxed) || self.world.fault(1)
    }

    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.world.delay(0..4).await;
        if self.world.fault(5) {
            self.world.delay(5..400).await;
        }
        if self.fails() {
            return Err(failure());
        }
        let result = work.await;
        self.world.delay(0..4).await;
        match self.fails() {
            true => Err(failure()),
            false => result,
        }
    }
}

fn failure() -> StorageError {
    StorageError::unavailable("a simulated fault")
}

/// Implements a port by calls of the inner store.
macro_rules! calls {
    ($port:ident, $inner:ident {
        $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
    } $($rest:item)*) => {
        #[async_trait]
        impl $port for SimulatedStore {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$result, StorageError> {
                self.call(self.inner.$inner.$name($($argument),*)).await
            })*
            $($rest)*
        }
    };
}

#[async_trait]
impl EventStore for SimulatedStore {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>> {
        let work = async { Ok(self.inner.events.append_due(events, due).await) };
        self.call(work)
            .await
            .unwrap_or_else(|_| events.iter().map(|_| Err(failure())).collect())
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        self.call(self.inner.events.positions(app, mids)).await
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        self.call(self.inner.events.heads(app, channels)).await
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.call(self.inner.events.history(app, channel, before, limit))
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
        self.call(self.inner.events.replay(app, channel, after, upto, limit))
            .await
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.call(self.inner.events.recent(app, before, limit))
            .await
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        self.call(self.inner.events.inbox(app, user, skip, limit))
            .await
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        self.call(self.inner.events.prune(pruning, limit)).await
    }
}

calls! { AppStore, apps {
    create(app: CreateApp) -> App;
    update(app: &App, expected_modified: Timestamp) -> ();
    delete(ident: &AppIdent) -> ();
    by_ident(ident: &AppIdent) -> Option<App>;
    by_key(key: &str) -> Option<App>;
    list(after: u64, limit: usize) -> Vec<App>;
    count() -> u64;
    revision() -> u64;
} }

calls! { SessionStore, sessions {
    put(session: &Session) -> ();
    get(hash: &TokenHash) -> Option<Session>;
    end(hash: &TokenHash) -> ();
    end_all(app: &AppIdent) -> ();
    prune(now: Timestamp) -> u64;
} }

calls! { CacheStore, cache {
    keep(events: &[CachedEvent]) -> ();
    last(app: &AppIdent, channel: &ChannelName) -> Option<CachedEvent>;
    prune(now: Timestamp) -> u64;
} }

calls! { Outbox, outbox {
    put(events: &[OutboxEvent]) -> ();
    claim(holder: &str, now: Timestamp, until: Timestamp, limit: usize) -> Vec<Claim>;
    claim_targets(
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize
    ) -> Vec<Claim>;
    oldest(claim: &Claim, limit: usize) -> Vec<QueuedEvent>;
    settle(claim: &Claim, settlement: &AttemptResult) -> bool;
    release(holder: &str) -> ();
    reported_presence(
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize
    ) -> Vec<ReportedPresence>;
    bytes_of(app: &AppIdent) -> OutboxBytes;
    depth() -> u64;
} }
