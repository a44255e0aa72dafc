//! Persistent subscriptions of users.

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::UserId;
use super::time::Timestamp;

/// A persistent subscription of a user to a channel. Its interval is (`start`, `end`], in serials of the channel: the
/// user's inbox has the events that were published after its start, up to and including the last one before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSubscription {
    /// A number that is unique in the app.
    pub id: u64,
    /// The app of the user.
    pub app: AppIdent,
    /// The subscribed user.
    pub user_id: UserId,
    /// The subscribed channel.
    pub channel: ChannelName,
    /// The channel's head at the start.
    pub start: u64,
    /// The channel's head at the end; `None` while it is open.
    pub end: Option<u64>,
    /// The time of the start.
    pub created: Timestamp,
    /// The time of the last change.
    pub modified: Timestamp,
}

/// A filter of open subscriptions; the empty filter matches all of the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Restricts the list to this user.
    pub user_id: Option<UserId>,
    /// Restricts the list to this channel.
    pub channel: Option<ChannelName>,
}
