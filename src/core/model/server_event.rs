//! Events that the server sends to clients.

use std::sync::Arc;

use super::{ChannelName, Member, NewEvent, Position, UserId};

/// An event that the server sends to the subscribers of a channel or to the watchers of a user. Each dialect encodes it in its
/// own frame. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// An event was published on a channel.
    Published {
        /// The event with its channel.
        event: Arc<NewEvent>,
        /// Its position in the store; `None`: it is not persisted.
        position: Option<Position>,
    },
    /// A user joined a presence channel.
    MemberAdded {
        /// The presence channel.
        channel: ChannelName,
        /// The user, as shown to the other members.
        member: Member,
    },
    /// A user left a presence channel.
    MemberRemoved {
        /// The presence channel.
        channel: ChannelName,
        /// The user, as last shown to the other members.
        member: Member,
    },
    /// The number of subscriptions of a channel changed, and its app publishes that number.
    SubscriptionCount {
        /// The channel whose subscriptions are counted.
        channel: ChannelName,
        /// Subscriptions over all nodes.
        count: u64,
    },
    /// A user signed in on its first connection, or signed out on its last one.
    UserStatus {
        /// The user whose status changed.
        user: UserId,
        /// Whether a connection is signed in as the user.
        online: bool,
    },
}

impl ServerEvent {
    /// The channel whose subscribers receive it; `None`: the watchers of a user do.
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Published { event, .. } => Some(&event.channel),
            Self::MemberAdded { channel, .. }
            | Self::MemberRemoved { channel, .. }
            | Self::SubscriptionCount { channel, .. } => Some(channel),
            Self::UserStatus { .. } => None,
        }
    }

    /// Whether it reports a change of a presence channel's member list.
    pub fn is_member_change(&self) -> bool {
        matches!(self, Self::MemberAdded { .. } | Self::MemberRemoved { .. })
    }
}
