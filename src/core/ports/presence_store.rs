//! The members of presence channels.

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};

/// The result of a join.
#[derive(Debug, Clone)]
pub struct Joined {
    /// All members, the joining one included, in the order in which they joined.
    pub members: MemberList,
    /// The version of `members`. Each announcement has the version that it leads to; those up to this one are included in
    /// `members`.
    pub version: u64,
    /// Whether the user is new, so that this join was announced.
    pub new: bool,
}

/// The members of presence channels, of all nodes. A user joins with its first connection and leaves with its last.
///
/// A change announces itself over the bus ([`ServerEvent::MemberAdded`](crate::core::model::ServerEvent::MemberAdded),
/// [`ServerEvent::MemberRemoved`](crate::core::model::ServerEvent::MemberRemoved)), in the order in which the changes happened and with
/// growing versions: state and announcement cannot disagree.
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// Adds a connection of a user. Of two concurrent first connections exactly one is announced. For a connection that is on
    /// the channel already the data is replaced: where it is the user's only connection and the data differs, a removal with
    /// the old data and an addition with the new one are announced. Of several connections of a user the newest data is used,
    /// without an announcement. `Ok(None)`: the user is new and the channel has `max` members already (0: no limit).
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Result<Option<Joined>, BusError>;

    /// Removes a connection of a user; the last one is announced, and returns `true`. Does nothing where the connection is not
    /// on the channel.
    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError>;

    /// The members of the channel, in the order in which they joined.
    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError>;

    /// Whether a user is on a channel that this node watches, through any node, with newest data that has `"peer": true`. By
    /// the local state; fast, and never waits.
    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool;
}
