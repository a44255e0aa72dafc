//! Reading the last event of a cache channel.

use std::sync::Arc;

use super::release::{release, yield_now};
use super::{HistoryError, Service};
use crate::core::error::StorageError;
use crate::core::hub::{Connection, MailboxItem};
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, NewEvent, OutboxEventKind, SocketId, WebhookEvent,
};

/// The bytes of events that are released in one turn.
const TURN_BYTES: usize = 256 * 1024;

/// The last event of a cache channel, as a new subscriber receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// There is none, or it has expired.
    Miss,
    /// The last event.
    Event(CachedEvent),
}

impl Service {
    /// The last event of a cache channel, with the whole seconds until it expires.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn last_event(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<(CachedEvent, u64)>, HistoryError> {
        let Some(event) = self.parts.cache_channels.last(app, channel).await? else {
            return Ok(None);
        };
        let left = event
            .expires
            .micros()
            .saturating_sub(self.ports.clock.now().micros());
        let seconds = u64::try_from(left).unwrap_or(0).div_ceil(1_000_000);
        Ok(Some((event, seconds)))
    }

    /// The last event of a cache channel for a connection that is subscribed already. The lock excludes an event that is
    /// kept but not released yet; a [`MailboxItem::CacheRead`] in the mailbox marks what the answer covers.
    pub(super) async fn cached_for(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Result<Cached, StorageError> {
        let cache = &self.parts.cache_channels;
        let _guards = cache.lock(channel).await;
        let Some(event) = cache.last(&app.ident, channel).await? else {
            self.parts
                .webhooks
                .record(app, channel, WebhookEvent::CacheMiss, || {
                    OutboxEventKind::CacheMiss
                });
            return Ok(Cached::Miss);
        };
        connection
            .mailbox()
            .push(MailboxItem::CacheRead(Box::new(channel.clone())));
        Ok(Cached::Event(event))
    }

    /// Publishes events that are not stored.
    pub(super) async fn publish_transient(
        &self,
        events: &[Arc<NewEvent>],
        except: Option<SocketId>,
    ) {
        let _guards = self
            .parts
            .cache_channels
            .keep(events.iter().map(|event| (event, None)))
            .await;
        let mut bytes = 0;
        for event in events {
            // A publish to many channels leaves the thread to others in between.
            if bytes > TURN_BYTES {
                yield_now().await;
                bytes = 0;
            }
            bytes += event.bytes();
            release(
                &*self.ports.nodes.bus,
                &self.parts.tail,
                Arc::clone(event),
                None,
                except,
            )
            .await;
        }
    }
}
