//! Cache channels: the last event of each is kept for new subscribers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, NewEvent};
use crate::core::ports::{CacheStore, Clock};

/// The cache channels that are published to at once.
const STRIPES: usize = 16;

/// Locks by the hash of the channel. An event is stored and released under its channel's lock, so that both happen in the
/// same order.
#[derive(Default)]
struct StripedLock([Mutex<()>; STRIPES]);

impl StripedLock {
    /// Waits until the locks of these channels are free.
    async fn lock<'a>(
        &self,
        channels: impl Iterator<Item = &'a ChannelName>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let stripe = |channel: &ChannelName| {
            let mut hasher = DefaultHasher::new();
            channel.hash(&mut hasher);
            usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0)
        };
        let mut wanted: Vec<usize> = channels.map(stripe).collect();
        // Locked in one order, which excludes a deadlock.
        wanted.sort_unstable();
        wanted.dedup();
        let mut guards = Vec::with_capacity(wanted.len());
        for stripe in wanted.into_iter().filter_map(|index| self.0.get(index)) {
            guards.push(stripe.lock().await);
        }
        guards
    }
}

/// The last events of cache channels.
pub(super) struct CacheChannels {
    store: Arc<dyn CacheStore>,
    clock: Arc<dyn Clock>,
    locks: StripedLock,
}

impl CacheChannels {
    pub(super) fn new(store: Arc<dyn CacheStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            locks: StripedLock::default(),
        }
    }

    /// The last event of a channel; `None` where there is none or it has expired.
    pub(super) async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError> {
        let now = self.clock.now();
        let last = self.store.last(app, channel).await?;
        Ok(last.filter(|event| event.expires > now))
    }

    /// Locks a channel: until the guards are dropped, no event of it is between being kept and being released.
    pub(super) async fn lock(&self, channel: &ChannelName) -> Vec<MutexGuard<'_, ()>> {
        self.locks.lock(std::iter::once(channel)).await
    }

    /// Keeps those of the events that belong to cache channels, each with its serial where it is persisted. Call it before
    /// the events are released, so that a later subscriber misses none; hold the guards until they are, so that
    /// the kept event is the one that was released last.
    pub(super) async fn keep<'a>(
        &self,
        events: impl Iterator<Item = (&'a Arc<NewEvent>, Option<u64>)>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let kept: Vec<CachedEvent> = events
            .filter(|(event, _)| event.channel.is_cache() && !is_client_event(event))
            .map(|(event, serial)| cached(event, serial))
            .collect();
        if kept.is_empty() {
            return Vec::new();
        }
        let guards = self
            .locks
            .lock(kept.iter().map(|event| &event.channel))
            .await;
        // Live delivery continues; the next event replaces the one that was not kept.
        if let Err(error) = self.store.keep(&kept).await {
            tracing::warn!(
                error = error.chain(),
                "last events of cache channels not stored"
            );
        }
        guards
    }
}

/// Client events are not the state of a channel.
fn is_client_event(event: &NewEvent) -> bool {
    event.owner_id.is_some() && event.payload.event.starts_with("client-")
}

fn cached(event: &NewEvent, serial: Option<u64>) -> CachedEvent {
    CachedEvent {
        app: event.app.clone(),
        channel: event.channel.clone(),
        mid: event.mid.clone(),
        event: Arc::clone(&event.payload.event),
        data: Arc::clone(&event.payload.data),
        timestamp: event.timestamp,
        serial,
        expires: event.timestamp.plus(CachedEvent::KEPT),
    }
}
