//! A user's lasting interest in a channel.

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::UserId;
use super::time::Timestamp;

/// A persistent subscription of a user to a channel. Its interval is (`start`, `end`], in serials of the channel: the
/// user's inbox holds what was published after it began, up to and including what was there when it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSubscription {
    /// A number unique in the app.
    pub id: u64,
    /// The app.
    pub app: AppIdent,
    /// The user.
    pub user_id: UserId,
    /// The channel.
    pub channel: ChannelName,
    /// The channel's head when it began.
    pub start: u64,
    /// The channel's head when it ended; `None` while it is open.
    pub end: Option<u64>,
    /// When it began.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
}

/// Which open subscriptions to list; an empty filter means all of the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those of this channel.
    pub channel: Option<ChannelName>,
}
