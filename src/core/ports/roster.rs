//! Who is connected, over all nodes.

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::model::{
    AppIdent, ChannelName, Occupancy, OccupiedChannel, SocketId, SocketInfo, UserId,
};

/// What a change of a channel's subscribers meant for all nodes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OccupancyChange {
    /// Nobody was on the channel, and now somebody is.
    Occupied,
    /// Somebody was on the channel, and now nobody is.
    Vacated,
}

/// What a recount found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccupancyUpdate {
    /// Connections on the channel, over all nodes.
    pub subscriptions: u64,
    /// Whether this recount was the one that made the channel occupied or vacated. Of several at once, on whichever nodes,
    /// exactly one finds each turn.
    pub turn: Option<OccupancyChange>,
}

/// Which users are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Online {
    /// For each user asked about, in order, whether a connection is signed in as it.
    pub online: Vec<bool>,
    /// The state of the app's users that `online` shows: changes up to this version are in it.
    pub version: u64,
}

/// Who is connected, over all nodes. An adapter reads this node's part from the hub that it was built with; the
/// service tells it where to look.
#[async_trait]
pub trait Roster: Send + Sync {
    /// The app's live connections with an id above `after`, in the order of their ids, at most `limit`.
    async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError>;

    /// One live connection; `None` where it is not there.
    async fn socket(&self, app: &AppIdent, id: SocketId) -> Result<Option<SocketInfo>, BusError>;

    /// The channels that somebody is on and whose names begin with `prefix`, those behind `after`, in the order of their
    /// names (by code point), at most `limit`.
    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError>;

    /// How many are on a channel; nothing but zeros where nobody is.
    async fn occupancy(&self, app: &AppIdent, channel: &ChannelName)
    -> Result<Occupancy, BusError>;

    /// Notes how many of this node's connections are on a channel now, after some came or went, and counts anew. With
    /// `announce`, [`ServerEvent::SubscriptionCount`](crate::core::model::ServerEvent::SubscriptionCount) goes to every node with somebody
    /// on the channel; the last of several announcements carries the last count. Every change from nobody to somebody on
    /// a node and back is followed by a call; others are where somebody wants to know.
    async fn recount(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> Result<OccupancyUpdate, BusError>;

    /// Notes that a connection of this node is signed in as a user; the same again changes nothing. A user's first
    /// announces itself as [`ServerEvent::UserStatus`](crate::core::model::ServerEvent::UserStatus): of two concurrent first ones exactly
    /// one, and with a version above every earlier one of the app.
    async fn sign_in(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError>;

    /// Notes that the connection is gone; a user's last announces itself. Nothing happens where it was not there.
    async fn sign_out(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError>;

    /// Which of the users are there.
    async fn online(&self, app: &AppIdent, users: &[UserId]) -> Result<Online, BusError>;
}
