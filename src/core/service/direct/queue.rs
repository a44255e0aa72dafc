//! Direct messages that wait in the outbox.

use std::sync::Arc;

use crate::core::error::StorageError;
use crate::core::model::{
    App, ChannelName, Mid, Notification, OutboxEvent, OutboxEventKind, Secret, TargetKind,
};
use crate::core::ports::OUTBOX_EVENT_BYTES;
use crate::core::service::Service;

/// A message for some targets of a kind.
#[derive(Debug, Clone)]
pub struct DirectMessage {
    /// The kind of the targets.
    pub kind: TargetKind,
    /// Their addresses.
    pub addresses: Vec<Secret>,
    /// What they are sent, a JSON object: for web hooks as [`MessageFormat::direct_web`](crate::core::ports::MessageFormat::direct_web)
    /// reads it, for e-mail addresses as `direct_mail`; for Apple devices with the member `apn` of an event, for browsers with its
    /// member `web_push` and their keys, which `direct_keys` reads.
    pub content: String,
}

/// Why messages were not queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueMessagesError {
    /// Nothing sends them.
    #[error(
        "messages are not queued where PUSHI_HANDLERS is 0, because nothing sends them: leave out queue"
    )]
    Disabled,
    /// The app's outbox has no space.
    #[error(
        "the messages and events of the app that wait to be sent reach PUSHI_MAX_OUTBOX_BYTES: try again later"
    )]
    Full,
    /// The store is unavailable.
    #[error("the messages were not queued: the store is unavailable, try again later")]
    Storage(#[from] StorageError),
}

impl Service {
    /// Puts messages into the outbox, from which they are sent as notifications are, and returns their common id. They are durable
    /// when this returns.
    ///
    /// # Errors
    /// See [`QueueMessagesError`]. None is queued where the app has no space; where the store failed, some may be.
    pub async fn queue_messages(
        &self,
        app: &App,
        messages: Vec<DirectMessage>,
    ) -> Result<Mid, QueueMessagesError> {
        if !self.rules.notifications.enabled {
            return Err(QueueMessagesError::Disabled);
        }
        let (id, at) = (self.new_mid(), self.ports.clock.now());
        let event = |message: DirectMessage| {
            let address = |address: &Secret| message.kind.outbox_address(address.expose()).into();
            let addresses: Vec<Arc<str>> = message.addresses.iter().map(address).collect();
            OutboxEvent {
                app: app.ident.clone(),
                channel: ChannelName::trusted(""),
                at,
                kind: OutboxEventKind::Notification(Notification::direct(&id, &message.content)),
                addresses: addresses.into(),
            }
        };
        let events: Vec<OutboxEvent> = messages.into_iter().map(event).collect();
        let outbox = &self.ports.stores.outbox;
        let bound = self.rules.limits.outbox_bytes;
        if bound > 0 && outbox.bytes_of(&app.ident).await?.waiting + bytes(&events) > bound {
            return Err(QueueMessagesError::Full);
        }
        outbox.put(&events).await?;
        self.parts.notifications.notify_sender();
        Ok(id)
    }
}

fn bytes(events: &[OutboxEvent]) -> u64 {
    let of = |event: &OutboxEvent| {
        let each = OUTBOX_EVENT_BYTES + event.kind.bytes() as u64;
        each * event.addresses.len() as u64
    };
    events.iter().map(of).sum()
}
