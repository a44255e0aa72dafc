//! Who is connected and on what, for those who ask.

use super::channel::ChannelName;
use super::ids::SocketId;

/// A live connection and its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketInfo {
    /// The connection.
    pub id: SocketId,
    /// Its channels, in the order of their names; peer channels that follow from presence are not listed.
    pub channels: Vec<ChannelName>,
}

/// How many are on a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Connections that are on it.
    pub subscriptions: u64,
    /// Of a presence channel: users on it, each counted once. 0 for other kinds.
    pub users: u64,
}

/// A channel that somebody is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccupiedChannel {
    /// The channel.
    pub channel: ChannelName,
    /// How many are on it.
    pub occupancy: Occupancy,
}
