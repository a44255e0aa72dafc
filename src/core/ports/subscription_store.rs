//! Where users' persistent subscriptions are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};

/// Where users' persistent subscriptions are kept.
#[async_trait]
pub trait SubscriptionStore: Send + Sync {
    /// Subscribes a user to a channel from the channel's head on, and answers the subscription and whether it is new.
    /// The same again, also by twenty callers at once, answers the one that is there. After an end it begins anew,
    /// with another `id`, at the head of that moment. `NotFound` where the app is not there.
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError>;

    /// Ends the open subscription at the channel's head and answers it (`end` and `modified` set); `None` where there
    /// is none. What was published before stays in the user's inbox.
    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError>;

    /// Open subscriptions that fit the filter, in the order of their `id`, those with an `id` above `after`, at most `limit`.
    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError>;

    /// All channels that the user has an open subscription to, in the order in which they began.
    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> Result<Vec<ChannelName>, StorageError>;
}
