//! Who is on which presence channel, over all nodes.

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Member, MemberList, SocketId, UserId};

/// What a join found.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Every user on the channel, the joining one included, in the order in which they came.
    pub members: MemberList,
    /// The state of the channel that `members` shows. Announcements carry the version that they lead to; those up to
    /// this one are already in `members`.
    pub version: u64,
    /// Whether the user is new: this join was the one that announced itself.
    pub new: bool,
}

/// Who is on which presence channel, over all nodes. A user joins with its first connection and leaves with its last.
///
/// A change announces itself over the bus ([`ServerEvent::MemberAdded`](crate::core::model::ServerEvent::MemberAdded),
/// [`ServerEvent::MemberRemoved`](crate::core::model::ServerEvent::MemberRemoved)), in the order in which the changes happened and with
/// growing versions: state and announcement cannot disagree.
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// Adds a connection of a user. Of two concurrent first connections exactly one announces. A connection that is
    /// there already gets its data replaced and announces nothing; with several connections of a user the newest
    /// data counts. `Ok(None)`: the user is new and the channel has `max` members (0: no bound).
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Result<Option<Joined>, BusError>;

    /// Removes a connection of a user; the last one announces, and is answered with `true`. Nothing happens where it is not
    /// there.
    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError>;

    /// Everybody on the channel, in the order in which they came.
    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError>;

    /// Whether a user is on a channel that this node watches, on whichever node, with newest data that say `"peer": true`.
    /// As far as this node has heard; quick, and never waits.
    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool;
}
