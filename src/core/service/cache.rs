//! The last events of cache channels.

use std::sync::Arc;

use super::Service;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, NewEvent};

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
    pub async fn cached(&self, app: &AppIdent, channel: &ChannelName) -> Result<Option<CachedEvent>, StorageError> {
        let now = self.ports.clock.now();
        Ok(self.ports.cache.last(app, channel).await?.filter(|event| event.expires > now))
    }

    /// Keeps those of the events that are the last of a cache channel, each with its serial where it is persisted. To be called
    /// before they are released, so that nobody who comes later misses them.
    pub(super) async fn keep_last<'a>(&self, events: impl Iterator<Item = (&'a Arc<NewEvent>, Option<u64>)>) {
        let kept = events.filter(|(event, _)| event.channel.is_cache() && !is_whisper(event));
        let kept: Vec<CachedEvent> = kept.map(|(event, serial)| cached(event, serial)).collect();
        if kept.is_empty() {
            return;
        }
        // What is live goes on; a later event takes the place of the one that is missing.
        if let Err(error) = self.ports.cache.keep(&kept).await {
            tracing::warn!(error = error.chain(), "the last events of cache channels were not kept");
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
