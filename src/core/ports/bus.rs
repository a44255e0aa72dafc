//! How nodes hear of what happens on the others, and of what they did themselves.

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Member, NewEvent, Position, SocketId, TokenHash, UserId};

/// What travels between nodes.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// An event for the subscribers of its channel.
    Event {
        /// What was published.
        event: Arc<NewEvent>,
        /// Where it is stored; `None`: it is not.
        position: Option<Position>,
        /// A socket that must not get it (the sender, without echo).
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
    /// A user signed in with its first connection, or its last one has gone. A control message.
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
}

/// Takes what arrives.
pub trait BusSink: Send + Sync {
    /// Handles one message; quick, and never waits.
    fn deliver(&self, message: BusMessage);
}

/// How nodes hear of what happens on the others. One delivery path: what a node publishes comes back to it through the
/// bus, the in-process one too. Order is kept per channel.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Hands a message to every node that has somebody on its channel (control messages: to every node), this one included.
    async fn publish(&self, message: BusMessage) -> Result<(), BusError>;

    /// From when this returns, messages of the channel arrive.
    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError>;
}
