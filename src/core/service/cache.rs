//! The last events of cache channels.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::{HistoryError, Service};
use crate::core::error::StorageError;
use crate::core::hub::{Connection, MailboxItem};
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, NewEvent, OutboxEventKind, SocketId, WebhookEvent,
};

/// Publishes to cache channels that go on at once.
const LANES: usize = 16;

/// Keeps the order of what is kept and the order of what is released the same: each cache channel goes in one lane.
#[derive(Default)]
pub(super) struct StripedLock([Mutex<()>; LANES]);

impl StripedLock {
    /// Waits until the lanes of these channels are free.
    async fn take<'a>(
        &self,
        channels: impl Iterator<Item = &'a ChannelName>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let lane = |channel: &ChannelName| {
            let mut hasher = DefaultHasher::new();
            channel.hash(&mut hasher);
            usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0)
        };
        let mut wanted: Vec<usize> = channels.map(lane).collect();
        // In one order, so that no two wait for each other.
        wanted.sort_unstable();
        wanted.dedup();
        let mut taken = Vec::with_capacity(wanted.len());
        for lane in wanted.into_iter().filter_map(|index| self.0.get(index)) {
            taken.push(lane.lock().await);
        }
        taken
    }
}

/// What a cache channel has for a new subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// Nothing: no event, or one that is too old.
    Miss,
    /// Its last event.
    Event(CachedEvent),
}

impl Service {
    /// The last event of a cache channel, unless it is too old.
    pub async fn cached(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError> {
        let now = self.ports.clock.now();
        Ok(self
            .ports
            .stores
            .cache
            .last(app, channel)
            .await?
            .filter(|event| event.expires > now))
    }

    /// The same for somebody who asks, with the whole seconds for which it is still kept.
    pub async fn last_event(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<(CachedEvent, u64)>, HistoryError> {
        let Some(event) = self.cached(app, channel).await.map_err(HistoryError)? else {
            return Ok(None);
        };
        let left = event
            .expires
            .micros()
            .saturating_sub(self.ports.clock.now().micros());
        let seconds = u64::try_from(left).unwrap_or(0).div_ceil(1_000_000);
        Ok(Some((event, seconds)))
    }

    /// The last event of a cache channel for a connection that is on it already. While it is read, no later one is kept and
    /// not released yet; a [`MailboxItem::CacheRead`] in the mailbox says what it covers.
    pub(super) async fn cached_for(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Result<Cached, StorageError> {
        let _lanes = self.lanes.take(std::iter::once(channel)).await;
        let Some(event) = self.cached(&app.ident, channel).await? else {
            self.noticed(app, channel, WebhookEvent::CacheMiss, || {
                OutboxEventKind::CacheMiss
            });
            return Ok(Cached::Miss);
        };
        connection
            .mailbox()
            .tell(MailboxItem::CacheRead(Box::new(channel.clone())));
        Ok(Cached::Event(event))
    }

    /// Keeps those of the events that are the last of a cache channel, each with its serial where it is persisted. To be called
    /// before they are released, so that nobody who comes later misses them; what is answered is held until they are, so that
    /// the one that is kept is the one that came last.
    pub(super) async fn keep_last<'a>(
        &self,
        events: impl Iterator<Item = (&'a Arc<NewEvent>, Option<u64>)>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let kept = events.filter(|(event, _)| event.channel.is_cache() && !is_whisper(event));
        let kept: Vec<CachedEvent> = kept.map(|(event, serial)| cached(event, serial)).collect();
        if kept.is_empty() {
            return Vec::new();
        }
        let lanes = self
            .lanes
            .take(kept.iter().map(|event| &event.channel))
            .await;
        // What is live goes on; a later event takes the place of the one that is missing.
        if let Err(error) = self.ports.stores.cache.keep(&kept).await {
            tracing::warn!(
                error = error.chain(),
                "the last events of cache channels were not kept"
            );
        }
        lanes
    }

    /// Hands on what is not to be stored.
    pub(super) async fn pass_on(&self, events: &[Arc<NewEvent>], except: Option<SocketId>) {
        let _lanes = self
            .keep_last(events.iter().map(|event| (event, None)))
            .await;
        for event in events {
            self.release(Arc::clone(event), None, except).await;
        }
    }
}

/// What clients say among themselves is not the channel's state.
fn is_whisper(event: &NewEvent) -> bool {
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
