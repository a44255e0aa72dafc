//! Connections, occupied channels and signed-in users of all nodes.

use std::time::Duration;

use async_trait::async_trait;

use super::{NodeQuery, NodeReports};
use crate::core::error::BusError;
use crate::core::model::{
    AppIdent, ChannelName, Occupancy, OccupiedChannel, SocketId, SocketInfo, UserId,
};

/// A channel became occupied or vacated, over all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OccupancyChange {
    /// The channel has its first subscription.
    Occupied,
    /// The last subscription of the channel has ended.
    Vacated,
}

/// The result of a recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccupancyUpdate {
    /// The connections on the channel, of all nodes.
    pub subscriptions: u64,
    /// Whether this recount made the channel occupied or vacated. Of several concurrent recounts, on any nodes, exactly one
    /// returns each change.
    pub change: Option<OccupancyChange>,
}

/// The status of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Online {
    /// For each requested user, in order, whether a connection is signed in as it.
    pub online: Vec<bool>,
    /// The version of `online`: changes of the app's users up to it are included.
    pub version: u64,
}

/// Connections, occupied channels and signed-in users of all nodes. An adapter reads this node's part from the hub that it was
/// built with; the service reports which channels and users have changed.
#[async_trait]
pub trait Roster: Send + Sync {
    /// The app's live connections with an id above `after`, ordered by id, at most `limit`.
    async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError>;

    /// One live connection; `None` where there is none with this id.
    async fn socket(&self, app: &AppIdent, id: SocketId) -> Result<Option<SocketInfo>, BusError>;

    /// The occupied channels whose names begin with `prefix`, those after `after`, ordered by name (code points), at most
    /// `limit`.
    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError>;

    /// The subscriptions and users of a channel; zeros where it is not occupied.
    async fn occupancy(&self, app: &AppIdent, channel: &ChannelName)
    -> Result<Occupancy, BusError>;

    /// Records how many of this node's connections are on a channel now, after a change, and recounts over all nodes. With
    /// `announce`, a subscription count goes to every node with a subscription of the channel; the last of several
    /// announcements has the last count. The caller reports every change between no subscription and one on a node; other
    /// changes only where the count is wanted.
    async fn recount(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> Result<OccupancyUpdate, BusError>;

    /// Records that a connection of this node is signed in as a user; a repetition changes nothing. A user's first connection
    /// is announced with a user status: of two concurrent first ones exactly one, with a version above every earlier one of
    /// the app.
    async fn sign_in(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError>;

    /// Records that the connection has ended; a user's last one is announced. Does nothing where the connection is unknown.
    async fn sign_out(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError>;

    /// Whether a connection of a user is on a channel: one that is signed in as the user, or is on its personal channel.
    async fn is_on(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<bool, BusError>;

    /// The status of these users.
    async fn online(&self, app: &AppIdent, users: &[UserId]) -> Result<Online, BusError>;

    /// Asks all other nodes, which answer with [`BusSink::report`](super::BusSink::report). It returns within `within`: a node
    /// that has not answered by then is named. A node that receives the question repeatedly may answer each time.
    async fn ask_nodes(&self, query: &NodeQuery, within: Duration)
    -> Result<NodeReports, BusError>;
}
