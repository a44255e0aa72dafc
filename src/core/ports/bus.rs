//! How nodes hear of what happens on the others, and of what they did themselves.

use std::sync::Arc;

use async_trait::async_trait;

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
        /// The app.
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
    /// Another node has died, and what it left on channels has been taken away, not all of it with a word. It does not travel:
    /// the node hears it that did so.
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

/// Takes what arrives.
pub trait BusSink: Send + Sync {
    /// Handles one message; quick, and never waits.
    fn deliver(&self, message: BusMessage);

    /// Whether somebody here is on the channel, so that its messages must go on arriving. Of a peer channel that includes
    /// those on its presence channel.
    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool;

    /// The bus was away and is back: what others published meanwhile may have been missed. Quick, and never waits.
    fn resumed(&self);
}

/// Whether the nodes hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusHealth {
    /// The node is alone, and meant to be.
    SingleNode,
    /// They do.
    Up,
    /// The bus cannot be reached: the node delivers its own messages itself and tries again.
    Down,
}

/// How nodes hear of what happens on the others. One delivery path: what a node publishes comes back to it through the
/// bus, the in-process one too. Order is kept per channel.
///
/// While the bus is away a node delivers its own messages itself, each once, also those of which it does not know
/// whether the others got them; [`BusSink::resumed`] follows when the bus is back.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Hands a message to every node that has somebody on its channel (control messages: to every node), this one included.
    async fn publish(&self, message: BusMessage) -> Result<(), BusError>;

    /// From when this returns, messages of the channel arrive; while the bus is away those of this node, and those of the
    /// others from when it is back.
    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError>;

    /// Messages of the channel need not arrive any more, until it is watched again. Quick, and never waits.
    fn unwatch(&self, app: &AppIdent, channel: &ChannelName);

    /// Says before an event is stored which socket of this node it leaves out: what is read from the store before it is
    /// published here must leave it out, too. Quick, and never waits.
    fn exclude(&self, mid: &Mid, socket: SocketId);

    /// How it is now.
    fn health(&self) -> BusHealth;
}
