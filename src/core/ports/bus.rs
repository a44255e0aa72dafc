//! How nodes hear of what happens on the others, and of what they did themselves.

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::model::{
    AppIdent, ChannelName, Member, Mid, NewEvent, Position, SocketId, TokenHash, UserId,
};

/// What travels between nodes.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// An event for the subscribers of its channel.
    Event {
        /// What was published.
        event: Arc<NewEvent>,
        /// Where it is stored; `None`: it is not.
        position: Option<Position>,
        /// A socket that must not get it (the sender, without echo). Only the message says so, not the store: a node that
        /// missed the message and reads a persisted event from the store sends it to this socket all the same, unless it is
        /// the node that published it ([`Bus::exclude`]).
        except: Option<SocketId>,
    },
    /// A user came to a presence channel.
    MemberAdded {
        /// The app.
        app: AppIdent,
        /// The presence channel.
        channel: ChannelName,
        /// Who.
        member: Member,
        /// The connection that joined; it is not told.
        socket: SocketId,
        /// The channel's state after it.
        version: u64,
    },
    /// A user left a presence channel.
    MemberRemoved {
        /// The app.
        app: AppIdent,
        /// The presence channel.
        channel: ChannelName,
        /// Who.
        member: Member,
        /// The connection that left; it is not told.
        socket: SocketId,
        /// The channel's state after it.
        version: u64,
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
    /// How many are on a channel, where its app wants that told.
    SubscriptionCount {
        /// The app.
        app: AppIdent,
        /// The channel.
        channel: ChannelName,
        /// Connections on it, over all nodes.
        count: u64,
    },
    /// A user signed in with its first connection, or its last one has gone. It reaches the nodes where somebody of the app
    /// is signed in, or was asked for ([`Roster::online`](super::Roster::online)).
    UserStatus {
        /// The app.
        app: AppIdent,
        /// The user.
        user: UserId,
        /// Whether a connection is signed in as the user.
        online: bool,
        /// The state of the app's users after it.
        version: u64,
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
    /// The channel that it is about; `None`: it is for every node.
    pub fn channel(&self) -> Option<(&AppIdent, &ChannelName)> {
        match self {
            Self::Event { event, .. } => Some((&event.app, &event.channel)),
            Self::MemberAdded { app, channel, .. }
            | Self::MemberRemoved { app, channel, .. }
            | Self::SubscriptionCount { app, channel, .. } => Some((app, channel)),
            Self::AppChanged(_)
            | Self::SessionEnded(_)
            | Self::SubscriptionsChanged { .. }
            | Self::UserStatus { .. }
            | Self::UserTerminated { .. }
            | Self::NodeGone => None,
        }
    }

    /// The serial of a persisted event.
    pub fn serial(&self) -> Option<u64> {
        match self {
            Self::Event { position, .. } => position.map(|position| position.serial),
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
