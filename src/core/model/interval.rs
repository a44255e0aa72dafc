//! What an ended subscription keeps.

use super::channel::ChannelName;
use super::ids::UserId;

/// What an ended subscription keeps in a user's inbox: the channel's events with serials in (`start`, `end`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The user.
    pub user_id: UserId,
    /// The channel.
    pub channel: ChannelName,
    /// The channel's head when the subscription began.
    pub start: u64,
    /// The channel's head when it ended.
    pub end: u64,
}
