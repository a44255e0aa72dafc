//! Publishing by the Pusher protocol: over REST, and client events.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Service;
use super::append_queue::{PendingAppend, ReplyTo};
use super::publish::PublishError;
use super::release::release;
use crate::core::error::StorageError;
use crate::core::hub::Connection;
use crate::core::model::{App, ChannelName, NewEvent, Payload, SocketId};
use crate::core::ports::Source;

/// A publish over the Pusher HTTP API; the edge has checked the names. It is stored on the channels that the app's `replay`
/// setting names, and a socket receives it once per channel.
#[derive(Debug, Clone)]
pub struct TriggerRequest {
    /// The channels: at least one, without duplicates.
    pub channels: Vec<ChannelName>,
    /// The event's name and data.
    pub payload: Payload,
    /// A socket that does not receive the event. Exception: a socket of another node that missed the event (Redis was
    /// unavailable) and reads it from the store.
    pub except: Option<SocketId>,
}

/// An event from a client to the others on a channel; the edge has checked the names.
#[derive(Debug, Clone)]
pub struct ClientEvent {
    /// The name of the channel.
    pub channel: ChannelName,
    /// The event's name, with the prefix `client-`, and data.
    pub payload: Payload,
    /// Whether an earlier publish of the socket on this channel is still in the append queue.
    pub behind: bool,
}

/// Why a client event is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ClientEventError {
    /// The app does not allow client events.
    #[error("this app does not accept client events: ask the administrator to set client_events")]
    Off,
    /// The channel's kind does not allow client events.
    #[error("client events require a private or presence channel that is not encrypted")]
    Kind,
    /// The socket is not subscribed to the channel.
    #[error("the socket is not subscribed to the channel: subscribe first")]
    NotOnChannel,
    /// The app has as many bytes of publishes in a queue as it may.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Service {
    /// Publishes over REST, in the order given. Returns when the persisted events are stored and all are sent to the
    /// subscribers.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn trigger(
        &self,
        app: &App,
        triggers: Vec<TriggerRequest>,
    ) -> Result<(), PublishError> {
        if self.ports.nodes.bus.is_full(&app.ident) {
            return Err(PublishError::QueueFull);
        }
        let timestamp = self.ports.clock.now();
        let mut results = Vec::new();
        let mut entries = Vec::new();
        let mut persisted = Vec::with_capacity(triggers.len());
        let mut transient = Vec::new();
        for TriggerRequest {
            channels,
            payload,
            except,
        } in triggers
        {
            let event = |channel: ChannelName| {
                let (app, mid) = (app.ident.clone(), self.new_mid());
                Arc::new(NewEvent {
                    app,
                    mid,
                    channel,
                    owner_id: None,
                    timestamp,
                    publish: None,
                    payload: payload.clone(),
                })
            };
            let events: Vec<_> = channels.into_iter().map(event).collect();
            let mark = self.parts.notifications.mark(&events);
            let (kept, not_kept): (Vec<_>, Vec<_>) = events
                .into_iter()
                .partition(|event| app.settings.replay_of(&event.channel).is_some());
            persisted.push(!kept.is_empty());
            let not_kept = not_kept.into_iter();
            transient.extend(not_kept.map(|event| (event, except, mark.clone())));
            if kept.is_empty() {
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            entries.push(PendingAppend {
                events: kept,
                mark,
                except,
                persist: true,
                repeatable: false,
                rows: Vec::new(),
                reply_to: ReplyTo::Request(sender),
            });
            results.push(receiver);
        }
        self.parts.appends.enqueue_all(&app.ident, entries)?;
        for persisted in persisted {
            self.hub.metrics().published(Source::Rest, persisted);
        }
        for (event, except, mark) in transient {
            let events = [event];
            self.publish_transient(&events, except).await;
            self.parts.notifications.record(&events, mark.as_ref());
        }
        let mut outcome = Ok(());
        for result in results {
            let stopping = || Err(StorageError::unavailable("the server is stopping"));
            if let Err(error) = result.await.unwrap_or_else(|_| stopping()) {
                outcome = Err(PublishError::Storage(error));
            }
        }
        outcome
    }

    /// Sends a client event to the other subscribers. `Ok(true)`: it is persisted, and a
    /// [`Receipt`](crate::core::hub::Receipt) follows in the mailbox.
    ///
    /// # Errors
    /// See [`ClientEventError`].
    pub async fn client_event(
        &self,
        connection: &Connection,
        client_event: ClientEvent,
    ) -> Result<bool, ClientEventError> {
        let app = connection.app();
        let by_token = self.publishes_by_token(connection, &client_event.channel);
        match by_token {
            Some(true) => {}
            Some(false) => return Err(PublishError::NotCovered.into()),
            None if !app.settings.client_events => return Err(ClientEventError::Off),
            None => {}
        }
        let ClientEvent {
            channel,
            payload,
            behind,
        } = client_event;
        if !channel.takes_client_events() {
            return Err(ClientEventError::Kind);
        }
        let subscription = connection.subscription(&channel);
        if subscription.is_none() && by_token != Some(true) {
            return Err(ClientEventError::NotOnChannel);
        }
        if self.ports.nodes.bus.is_full(&app.ident) {
            return Err(PublishError::QueueFull.into());
        }
        let persist = app.settings.replay_of(&channel).is_some();
        let event = Arc::new(NewEvent {
            app: app.ident.clone(),
            mid: self.new_mid(),
            channel,
            owner_id: Some(connection.id().to_string().into()),
            timestamp: self.ports.clock.now(),
            publish: None,
            payload,
        });
        let except = Some(connection.id());
        let accepted = |event: &NewEvent| {
            self.hub.metrics().published(Source::Client, persist);
            let user = || subscription.as_ref()?.user.clone();
            self.parts.webhooks.record_client_event(&app, event, user);
        };
        if !persist && !behind {
            accepted(&event);
            let events = [event];
            let mark = self.parts.notifications.mark(&events);
            let [event] = &events;
            release(
                &*self.ports.nodes.bus,
                &self.parts.tail,
                Arc::clone(event),
                None,
                except,
            )
            .await;
            self.parts.notifications.record(&events, mark.as_ref());
            return Ok(false);
        }
        let reply_to = ReplyTo::Socket {
            mailbox: Arc::clone(connection.mailbox()),
            reference: None,
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
        self.parts
            .appends
            .enqueue(&app.ident, entry)
            .map_err(PublishError::from)?;
        accepted(&event);
        Ok(true)
    }
}
