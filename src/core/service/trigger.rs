//! Publishing through the Pusher dialect: by a back end, and by clients among themselves.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Service;
use super::append_queue::{PendingAppend, ReplyTo};
use super::publish::PublishError;
use super::release::release;
use crate::core::error::StorageError;
use crate::core::hub::Connection;
use crate::core::model::{App, ChannelKind, ChannelName, NewEvent, Payload, SocketId};
use crate::core::ports::Source;

/// What a back end publishes through the Pusher HTTP API; the edge has checked its names. It is stored where the app's
/// `replay` names the channel, and reaches a socket once per channel.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The channels, at least one, none twice.
    pub channels: Vec<ChannelName>,
    /// What it says.
    pub payload: Payload,
    /// A socket that must not get it. Where it is on another node, and that node missed the event (Redis was away) and reads it
    /// from the store, the socket gets it all the same.
    pub except: Option<SocketId>,
}

/// What a connected client says to the others on a channel; the edge has checked its names.
#[derive(Debug, Clone)]
pub struct ClientEvent {
    /// The channel.
    pub channel: ChannelName,
    /// What it says; the name begins with `client-`.
    pub payload: Payload,
    /// Whether an earlier publish of the socket on this channel has not left the append queue.
    pub behind: bool,
}

/// Why a client event was not passed on.
#[derive(Debug, thiserror::Error)]
pub enum ClientEventError {
    /// The app does not let its clients.
    #[error("this app does not take client events: ask the administrator to set client_events")]
    Off,
    /// There are none on channels of this kind.
    #[error("client events are for private and presence channels that are not encrypted")]
    Kind,
    /// The socket is not on the channel.
    #[error("the socket is not on the channel: subscribe to it first")]
    NotOnChannel,
    /// Too much waits for the store.
    #[error("the event was not stored: the store is unavailable, try again later")]
    Storage(#[source] StorageError),
}

impl Service {
    /// Publishes for a back end, each in its order. Returns once what is to be stored is, and all is handed to the subscribers.
    pub async fn trigger(&self, app: &App, triggers: Vec<Trigger>) -> Result<(), PublishError> {
        let timestamp = self.ports.clock.now();
        let mut answers = Vec::new();
        let mut passing = Vec::new();
        for Trigger {
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
            let (kept, passed): (Vec<_>, Vec<_>) = channels
                .into_iter()
                .partition(|channel| app.settings.replay_of(channel).is_some());
            self.hub.metrics().published(Source::Rest, !kept.is_empty());
            passing.extend(passed.into_iter().map(|channel| (event(channel), except)));
            if kept.is_empty() {
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            let events = kept.into_iter().map(event).collect();
            let entry = PendingAppend {
                events,
                except,
                persist: true,
                repeatable: false,
                reply_to: ReplyTo::Request(sender),
            };
            if self.parts.appends.enqueue(entry).is_err() {
                return Err(PublishError::Storage(StorageError::unavailable(
                    "too many publishes wait for the store",
                )));
            }
            answers.push(receiver);
        }
        for (event, except) in passing {
            self.publish_transient(&[event], except).await;
        }
        let mut outcome = Ok(());
        for answer in answers {
            let stopping = || Err(StorageError::unavailable("the server is stopping"));
            if let Err(error) = answer.await.unwrap_or_else(|_| stopping()) {
                outcome = Err(PublishError::Storage(error));
            }
        }
        outcome
    }

    /// Passes a client event on to the others. `Ok(true)`: it is to be stored, and a
    /// [`Receipt`](crate::core::hub::Receipt) follows in the mailbox.
    pub async fn client_event(
        &self,
        connection: &Connection,
        said: ClientEvent,
    ) -> Result<bool, ClientEventError> {
        let app = connection.app();
        if !app.settings.client_events {
            return Err(ClientEventError::Off);
        }
        let ClientEvent {
            channel,
            payload,
            behind,
        } = said;
        if !matches!(channel.kind(), ChannelKind::Private | ChannelKind::Presence)
            || channel.is_encrypted()
        {
            return Err(ClientEventError::Kind);
        }
        let Some(place) = connection.place(&channel) else {
            return Err(ClientEventError::NotOnChannel);
        };
        let persist = app.settings.replay_of(&channel).is_some();
        self.hub.metrics().published(Source::Client, persist);
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
        if !persist && !behind {
            self.parts
                .webhooks
                .record_client_event(&app, &event, || place.user);
            release(&*self.ports.nodes.bus, event, None, except).await;
            return Ok(false);
        }
        let reply_to = ReplyTo::Socket {
            mailbox: Arc::clone(connection.mailbox()),
            reference: None,
        };
        let entry = PendingAppend {
            events: vec![Arc::clone(&event)],
            except,
            persist,
            repeatable: false,
            reply_to,
        };
        let full = |_| {
            ClientEventError::Storage(StorageError::unavailable(
                "too many publishes wait for the store",
            ))
        };
        self.parts.appends.enqueue(entry).map_err(full)?;
        self.parts
            .webhooks
            .record_client_event(&app, &event, || place.user);
        Ok(true)
    }
}
