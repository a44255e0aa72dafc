//! Connections and occupied channels, for queries.

use super::channel::ChannelName;
use super::ids::SocketId;

/// A live connection and its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketInfo {
    /// The connection's id.
    pub id: SocketId,
    /// Its channels, ordered by name, without peer channels that it is on by presence.
    pub channels: Vec<ChannelName>,
}

/// The counts of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// The connections that are subscribed to it.
    pub subscriptions: u64,
    /// Of a presence channel: its members. 0 for other kinds.
    pub users: u64,
}

/// A channel with at least one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccupiedChannel {
    /// The channel's name.
    pub channel: ChannelName,
    /// Its counts.
    pub occupancy: Occupancy,
}
