//! Publishing by a client without a connection of its own: that of a stream over plain HTTP.

use ::core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Service;
use super::append_queue::{PendingAppend, ReplyTo};
use super::connect::{ConnectError, Connecting};
use super::publish::PublishError;
use crate::core::auth::{TokenError, TokenGrant};
use crate::core::error::StorageError;
use crate::core::limit::TokenBucket;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, NewEvent, Payload, Position, Secret, SocketId, Timestamp,
};
use crate::core::ports::Source;

/// A publish by the client of a stream; the edge has checked the names.
#[derive(Debug, Clone)]
pub struct OpenPublish {
    /// The channels: at least one, without duplicates.
    pub channels: Vec<ChannelName>,
    /// The event's name and data.
    pub payload: Payload,
    /// Whether the event is stored.
    pub persist: bool,
    /// The client's stream, which the event's `owner_id` names.
    pub stream: Option<SocketId>,
    /// Whether that stream receives the event, too.
    pub echo: bool,
}

/// Why such a publish is rejected.
#[derive(Debug, thiserror::Error)]
pub enum OpenPublishError {
    /// The client could not connect either.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A channel is not public, and no token covers it.
    #[error("{0} is not public: send a token whose claim channels covers it")]
    Closed(ChannelName),
    /// The token does not allow publishing to a channel.
    #[error("the token's claim publish does not cover {0}")]
    NotPublishable(ChannelName),
    /// The client publishes too fast.
    #[error("rate limit exceeded: at most {0} publishes per second (max_publishes)")]
    Rate(u64),
    /// The event was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The most addresses whose publishes are counted. All are forgotten when there are more.
const MAX_ADDRESSES: usize = 10_000;

/// The rates of publishes without a connection, by app and address.
#[derive(Debug, Default)]
pub(super) struct OpenPublishRates(Mutex<HashMap<(AppIdent, IpAddr), TokenBucket>>);

impl OpenPublishRates {
    fn take(&self, app: &AppIdent, address: IpAddr, rate: u64, now: Timestamp) -> bool {
        let mut buckets = self.0.lock();
        let key = (app.clone(), address);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(&key) {
            buckets.clear();
        }
        buckets
            .entry(key)
            .or_insert_with(|| TokenBucket::new(rate, now))
            .take(rate, now)
    }
}

impl Service {
    /// Publishes for a client that could subscribe to the channels, and therefore publish to them. Returns
    /// the events, each with its position where it is stored.
    ///
    /// # Errors
    /// See [`OpenPublishError`].
    pub async fn publish_openly(
        &self,
        connecting: Connecting<'_>,
        token: Option<&Secret>,
        publish: OpenPublish,
    ) -> Result<Vec<(Arc<NewEvent>, Option<Position>)>, OpenPublishError> {
        let app = self.reachable(connecting).await?;
        let grant = token.map(|token| self.verify_token(&app, token));
        let grant = grant.transpose()?;
        for channel in &publish.channels {
            let is_public = channel.kind() == ChannelKind::Public;
            if !is_public && !grant.as_ref().is_some_and(|grant| grant.covers(channel)) {
                return Err(OpenPublishError::Closed(channel.clone()));
            }
            match grant.as_ref().and_then(|grant| grant.publishes(channel)) {
                Some(true) => {}
                // On public channels the claim adds to the settings.
                Some(false) if !is_public => {
                    return Err(OpenPublishError::NotPublishable(channel.clone()));
                }
                _ if app.settings.client_publish => {}
                _ => return Err(PublishError::ClientPublishOff.into()),
            }
        }
        let timestamp = self.ports.clock.now();
        let limit = app.settings.limits.max_publishes;
        let rate = limit.unwrap_or(self.rules.limits.publishes);
        if let (1.., Some(address)) = (rate, connecting.address)
            && !self
                .open_publishes
                .take(&app.ident, address, rate, timestamp)
        {
            return Err(OpenPublishError::Rate(rate));
        }
        if self.ports.nodes.bus.is_full(&app.ident) {
            return Err(PublishError::QueueFull.into());
        }
        let except = publish.stream.filter(|_| !publish.echo);
        let copies = (publish.channels.len() > 1).then(|| self.new_publish_id());
        let owner: Option<Arc<str>> = publish.stream.map(|id| id.to_string().into());
        let events: Vec<_> = publish
            .channels
            .into_iter()
            .map(|channel| {
                Arc::new(NewEvent {
                    app: app.ident.clone(),
                    mid: self.new_mid(),
                    channel,
                    owner_id: owner.clone(),
                    timestamp,
                    publish: copies.clone(),
                    payload: publish.payload.clone(),
                })
            })
            .collect();
        let accepted = || {
            let metrics = self.hub.metrics();
            metrics.published(Source::Client, publish.persist);
            for event in &events {
                let webhooks = &self.parts.webhooks;
                webhooks.record_client_event(&app, event, || {
                    grant.as_ref().and_then(TokenGrant::user).cloned()
                });
            }
        };
        let mark = self.parts.notifications.mark(&events);
        if !publish.persist {
            accepted();
            self.publish_transient(&events, except).await;
            self.parts.notifications.record(&events, mark.as_ref());
            return Ok(events.into_iter().map(|event| (event, None)).collect());
        }
        let (sender, receiver) = oneshot::channel();
        let entry = PendingAppend {
            mark,
            events: events.clone(),
            except,
            persist: true,
            repeatable: false,
            rows: Vec::new(),
            reply_to: ReplyTo::Request(sender),
        };
        self.parts
            .appends
            .enqueue(&app.ident, entry)
            .map_err(PublishError::from)?;
        accepted();
        let stopping = || StorageError::unavailable("the server is stopping");
        let stored = receiver.await.unwrap_or_else(|_| Err(stopping()));
        let positions = stored.map_err(PublishError::Storage)?;
        let positions = positions.into_iter().map(Some);
        Ok(events.into_iter().zip(positions).collect())
    }
}
