//! How what happens is said to a client.

use bytes::Bytes;

use crate::core::model::{ChannelName, Member, NewEvent, Position, UserId};

/// Which dialect a connection speaks; also an index into what is encoded once per dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialectId {
    /// The Pushi protocol.
    Pushi,
    /// Protocol 7 of Pusher Channels.
    Pusher,
}

impl DialectId {
    /// How many there are.
    pub const COUNT: usize = 2;
}

/// What is told to everybody on a channel, in each dialect's own words.
#[derive(Debug, Clone, Copy)]
pub enum Notice<'a> {
    /// An event was published.
    Event(&'a NewEvent, Option<Position>),
    /// A user came to a presence channel.
    MemberAdded(&'a ChannelName, &'a Member),
    /// A user left a presence channel.
    MemberRemoved(&'a ChannelName, &'a Member),
    /// How many are on a channel now, over all nodes.
    Count(&'a ChannelName, u64),
    /// A user whom the client watches came (`true`) or went.
    UserStatus(&'a UserId, bool),
}

/// Turns a notice into the text of a frame. Pure, and called once per notice and dialect, whatever the number of recipients.
pub trait Dialect: Send + Sync {
    /// The text frame's payload, UTF-8; `None` where the dialect does not say this.
    fn encode(&self, notice: Notice<'_>) -> Option<Bytes>;
}
