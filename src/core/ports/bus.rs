//! Messages between nodes.

use std::sync::Arc;

use async_trait::async_trait;

use super::{NodeQuery, NodeReport};
use crate::core::error::BusError;
use crate::core::model::{
    AppIdent, ChannelName, Mid, NewEvent, Position, ServerEvent, SocketId, TokenHash, UserId,
};

/// A message that the bus carries to the nodes.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// An event for clients: the subscribers of its channel, or the watchers of its user. A
    /// [`ServerEvent::UserStatus`] reaches the nodes on which a user of the app is signed in or was asked for
    /// ([`Roster::online`](super::Roster::online)).
    Broadcast {
        /// The app of the channel or user.
        app: AppIdent,
        /// The event that the dialects encode.
        event: ServerEvent,
        /// A socket that must not receive it: the sender of a client event without echo, the connection that joined or left.
        /// For a persisted event the message alone carries it, not the store: a node that missed the message and reads the
        /// event from the store sends it to this socket too, unless it is the node that published it ([`Bus::exclude`]).
        exclude: Option<SocketId>,
        /// The version that the change leads to: of the presence channel for a member change, of the app's signed-in users
        /// for a user's status; `None` for other events.
        version: Option<u64>,
    },
    /// An app was created, changed or deleted.
    AppChanged(AppIdent),
    /// A session was ended by its owner.
    SessionEnded(TokenHash),
    /// A user's persistent subscriptions changed.
    SubscriptionsChanged {
        /// The app.
        app: AppIdent,
        /// The user.
        user: UserId,
    },
    /// A user's signed-in connections are to be closed. A control message.
    UserTerminated {
        /// The app.
        app: AppIdent,
        /// The user.
        user: UserId,
    },
    /// A node has failed, and its presence and subscriptions were removed, not all of them with an announcement. Events that
    /// it stored may not have been sent. A control message: the node that removed them sends it to every node.
    NodeGone,
}

impl BusMessage {
    /// A published event for the subscribers of its channel, except for the socket `exclude`.
    pub fn published(
        event: Arc<NewEvent>,
        position: Option<Position>,
        exclude: Option<SocketId>,
    ) -> Self {
        Self::Broadcast {
            app: event.app.clone(),
            event: ServerEvent::Published { event, position },
            exclude,
            version: None,
        }
    }

    /// The channel whose order it belongs to; `None`: it belongs to no channel.
    pub fn channel(&self) -> Option<(&AppIdent, &ChannelName)> {
        match self {
            Self::Broadcast { app, event, .. } => event.channel().map(|channel| (app, channel)),
            _ => None,
        }
    }

    /// The serial of a persisted event.
    pub fn serial(&self) -> Option<u64> {
        match self {
            Self::Broadcast {
                event: ServerEvent::Published { position, .. },
                ..
            } => position.map(|position| position.serial),
            _ => None,
        }
    }
}

/// Receives the messages of the bus.
pub trait BusSink: Send + Sync {
    /// Handles one message; fast, and never waits.
    fn deliver(&self, message: BusMessage);

    /// Whether this node has a subscription of the channel and so still needs its messages. For a peer channel this includes
    /// subscriptions of its presence channel.
    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool;

    /// The bus is available again: messages of other nodes may have been missed. Fast, and never waits.
    fn resumed(&self);

    /// Answers the question of another node; `None`: this node cannot. Fast, and never waits.
    fn report(&self, _query: NodeQuery) -> Option<NodeReport> {
        None
    }
}

/// The state of the connection between the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusHealth {
    /// No bus is configured.
    SingleNode,
    /// The bus is available.
    Up,
    /// The bus cannot be reached: the node delivers its own messages itself and retries.
    Down,
}

/// Carries messages between nodes. There is one delivery path: a node receives its own messages through the bus, too, also
/// through the in-process one. The order is kept per channel. Which channels are watched, and how gaps are filled, see
/// [`order`](crate::core::order).
///
/// While the bus is unavailable, a node delivers its own messages itself, each once, also those that the other nodes may have
/// received or not; [`BusSink::resumed`] follows when the bus is available again.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Sends a message to every node with a subscription of its channel (control messages: to every node), this one included.
    ///
    /// # Errors
    /// Fails where the bus is unavailable.
    async fn publish(&self, message: BusMessage) -> Result<(), BusError>;

    /// Subscribes this node to a channel (see [`order`](crate::core::order) for what a watched channel is): its messages
    /// arrive from when this returns. While the bus is unavailable only those
    /// of this node do, and those of the others as soon as it is available again.
    ///
    /// # Errors
    /// Fails where the bus cannot watch the channel.
    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError>;

    /// Ends the subscription of this node, until the channel is watched again. Fast, and never waits.
    fn unwatch(&self, app: &AppIdent, channel: &ChannelName);

    /// Registers a local socket to skip for this event, before the event is stored. Needed when the event is delivered by
    /// backfill from the store instead of the bus. Fast, and never waits.
    fn exclude(&self, mid: &Mid, socket: SocketId);

    /// The app was deleted: one that is created with its ident begins anew, with serials from 1. Fast, and never waits.
    fn forget(&self, _app: &AppIdent) {}

    /// Whether the messages of an app that wait to be sent have as many bytes as they may: the app must not publish more. A bus
    /// in process has none.
    fn is_full(&self, _app: &AppIdent) -> bool {
        false
    }

    /// The bytes of the messages that wait to be sent.
    fn queued_bytes(&self) -> u64 {
        0
    }

    /// The current state.
    fn health(&self) -> BusHealth;
}
