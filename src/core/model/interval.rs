//! Intervals of ended subscriptions.

use super::channel::ChannelName;
use super::ids::UserId;

/// The events that an ended subscription keeps in a user's inbox: those of the channel with serials in (`start`, `end`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionInterval {
    /// The subscribed user.
    pub user_id: UserId,
    /// The subscribed channel.
    pub channel: ChannelName,
    /// The channel's head when the subscription began.
    pub start: u64,
    /// The channel's head when it ended.
    pub end: u64,
}
