//! Publishing over REST, or by a connected client.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Service;
use super::append_queue::{EnqueueError, PendingAppend, ReplyTo};
use super::release::release;
use crate::core::auth;
use crate::core::error::StorageError;
use crate::core::hub::Connection;
use crate::core::model::{App, ChannelName, Mid, NewEvent, Payload, Timestamp};
use crate::core::ports::Source;

/// The window of an idempotency key in microseconds: 24 hours. A key is valid for one to two windows.
const KEY_WINDOW: i64 = 24 * 3600 * 1_000_000;

/// A publish over REST; the edge has checked the names.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// The channels: at least one, without duplicates.
    pub channels: Vec<ChannelName>,
    /// The event's name and data.
    pub payload: Payload,
    /// Whether the event is stored.
    pub persist: bool,
    /// Identifies repetitions of a publish, which store nothing.
    pub idempotency_key: Option<String>,
}

/// A publish by a connected client; the edge has checked the names.
#[derive(Debug, Clone)]
pub struct ClientPublish {
    /// The name of the channel.
    pub channel: ChannelName,
    /// The event's name and data.
    pub payload: Payload,
    /// Whether the event is stored.
    pub persist: bool,
    /// Whether the sender receives the event, too.
    pub echo: bool,
    /// The client's id of the publish.
    pub reference: Option<String>,
    /// Whether an earlier publish of the socket on this channel is still in the append queue.
    pub behind: bool,
}

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The socket is not subscribed to the channel.
    #[error("the socket is not subscribed to the channel: subscribe first")]
    NotOnChannel,
    /// The app does not allow its sockets to publish.
    #[error(
        "this app does not allow sockets to publish: publish through the REST API, or set client_publish"
    )]
    ClientPublishOff,
    /// The token with which the socket subscribed does not cover publishing.
    #[error(
        "the token does not allow publishing to the channel: its claim publish must have the name, or a prefix of it that ends in *"
    )]
    NotCovered,
    /// The app has as many bytes of publishes in a queue as it may; nothing was stored.
    #[error(
        "too many publishes of this app wait to be stored or sent: publish more slowly, and this one again later (PUSHI_MAX_QUEUED_BYTES)"
    )]
    QueueFull,
    /// The store is unavailable; the event may be stored.
    #[error(
        "the event was not stored, or its outcome is unknown: the store is unavailable, try again later"
    )]
    Storage(#[source] StorageError),
}

impl From<EnqueueError> for PublishError {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Full => Self::QueueFull,
            EnqueueError::Stopping => {
                Self::Storage(StorageError::unavailable("the server is stopping"))
            }
        }
    }
}

impl Service {
    /// Publishes over REST. Returns when the event is stored (where `persist` is set) and sent to the subscribers.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn publish(&self, app: &App, publishing: Publishing) -> Result<(), PublishError> {
        if self.ports.nodes.bus.is_full(&app.ident) {
            return Err(PublishError::QueueFull);
        }
        let published = || {
            let metrics = self.hub.metrics();
            metrics.published(Source::Rest, publishing.persist);
        };
        let timestamp = self.ports.clock.now();
        let publish = (publishing.channels.len() > 1).then(|| self.new_publish_id());
        let event = |channel: &ChannelName, mid: Mid| {
            Arc::new(NewEvent {
                app: app.ident.clone(),
                mid,
                channel: channel.clone(),
                owner_id: None,
                timestamp,
                publish: publish.clone(),
                payload: publishing.payload.clone(),
            })
        };
        if !publishing.persist {
            let events: Vec<_> = publishing
                .channels
                .iter()
                .map(|channel| event(channel, self.new_mid()))
                .collect();
            published();
            self.publish_transient(&events, None).await;
            let mark = self.parts.notifications.mark(&events);
            self.parts.notifications.record(&events, mark.as_ref());
            return Ok(());
        }
        let key = publishing.idempotency_key.as_deref();
        if let Some(key) = key {
            // The previous window, too: a key is valid for at least a whole day.
            let mids = |before| {
                publishing
                    .channels
                    .iter()
                    .map(move |channel| self.keyed_mid(app, key, channel, timestamp, before))
            };
            let both: Vec<Mid> = mids(0).chain(mids(1)).collect();
            let stored = self
                .ports
                .stores
                .events
                .positions(&app.ident, &both)
                .await
                .map_err(PublishError::Storage)?;
            if stored
                .chunks(publishing.channels.len().max(1))
                .any(|window| window.iter().all(Option::is_some))
            {
                published();
                return Ok(());
            }
        }
        let mid = |channel: &ChannelName| match key {
            Some(key) => self.keyed_mid(app, key, channel, timestamp, 0),
            None => self.new_mid(),
        };
        let events: Vec<_> = publishing
            .channels
            .iter()
            .map(|channel| event(channel, mid(channel)))
            .collect();
        let (sender, receiver) = oneshot::channel();
        let mark = self.parts.notifications.mark(&events);
        // A repetition has the same `mid`s, but another publish.
        let keyed = events.first().filter(|_| key.is_some());
        let keyed = keyed.map(|event| Arc::clone(&event.mid.0));
        let entry = PendingAppend {
            mark: mark.map(|mark| keyed.unwrap_or(mark)),
            events,
            except: None,
            persist: true,
            repeatable: key.is_some(),
            rows: Vec::new(),
            reply_to: ReplyTo::Request(sender),
        };
        self.parts.appends.enqueue(&app.ident, entry)?;
        published();
        match receiver.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(PublishError::Storage(error)),
            Err(_) => Err(PublishError::Storage(StorageError::unavailable(
                "the server is stopping",
            ))),
        }
    }

    /// The `mid` of an idempotent publish in the window of `timestamp`, or `before` windows earlier.
    fn keyed_mid(
        &self,
        app: &App,
        key: &str,
        channel: &ChannelName,
        timestamp: Timestamp,
        before: i64,
    ) -> Mid {
        let window = (timestamp.micros() / KEY_WINDOW - before).to_string();
        // With the app's number: one that is created again with the same ident shares no key with its predecessor.
        let id = app.id.to_string();
        auth::derived_mid(&[app.ident.as_str(), key, channel.as_str(), &window, &id])
    }

    /// Publishes for a connected client. `Ok(true)`: the publish is in the append queue, and a
    /// [`Receipt`](crate::core::hub::Receipt) follows in the mailbox; the session does not wait for it.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish_from(
        &self,
        connection: &Connection,
        publish: ClientPublish,
    ) -> Result<bool, PublishError> {
        let app = connection.app();
        match self.publishes_by_token(connection, &publish.channel) {
            Some(true) => {}
            Some(false) => return Err(PublishError::NotCovered),
            None if !connection.receives(&publish.channel) => {
                return Err(PublishError::NotOnChannel);
            }
            None if !app.settings.client_publish => return Err(PublishError::ClientPublishOff),
            None => {}
        }
        if self.ports.nodes.bus.is_full(&app.ident) {
            return Err(PublishError::QueueFull);
        }
        let persist = publish.persist;
        let event = Arc::new(NewEvent {
            app: app.ident.clone(),
            mid: self.new_mid(),
            channel: publish.channel,
            owner_id: Some(connection.id().to_string().into()),
            timestamp: self.ports.clock.now(),
            publish: None,
            payload: publish.payload,
        });
        let except = (!publish.echo).then(|| connection.id());
        let accepted = |event: &NewEvent| {
            self.hub.metrics().published(Source::Client, persist);
            let user = || {
                connection
                    .subscription(&event.channel)
                    .and_then(|subscription| subscription.user)
            };
            self.parts.webhooks.record_client_event(&app, event, user);
        };
        if !persist && !publish.behind {
            accepted(&event);
            let events = [event];
            let mark = self.parts.notifications.mark(&events);
            let [event] = &events;
            if event.channel.is_cache() {
                // Boxed: its size must not be part of every idle connection's task.
                Box::pin(self.publish_transient(&events, except)).await;
            } else {
                release(
                    &*self.ports.nodes.bus,
                    &self.parts.tail,
                    Arc::clone(event),
                    None,
                    except,
                )
                .await;
            }
            self.parts.notifications.record(&events, mark.as_ref());
            return Ok(false);
        }
        let reply_to = ReplyTo::Socket {
            mailbox: Arc::clone(connection.mailbox()),
            reference: publish.reference,
        };
        let events = vec![Arc::clone(&event)];
        let entry = PendingAppend {
            mark: self.parts.notifications.mark(&events),
            events,
            except,
            persist,
            repeatable: false,
            rows: Vec::new(),
            reply_to,
        };
        self.parts.appends.enqueue(&app.ident, entry)?;
        accepted(&event);
        Ok(true)
    }
}
