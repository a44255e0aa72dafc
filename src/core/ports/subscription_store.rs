//! Storage of users' persistent subscriptions.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};

/// Stores users' persistent subscriptions.
#[async_trait]
pub trait SubscriptionStore: Send + Sync {
    /// Subscribes a user to a channel from the channel's head on, and returns the subscription and whether it is new. A
    /// repetition, also by twenty concurrent callers, returns the open subscription. After its end a new one begins, with
    /// another `id`, at the head of that time.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError>;

    /// Ends the open subscription at the channel's head and returns it (`end` and `modified` set); `None` where there is none.
    /// Events published before stay in the user's inbox.
    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError>;

    /// Open subscriptions that match the filter, with an `id` above `after`, ordered by `id`, at most `limit`.
    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError>;

    /// The channels of the user's open subscriptions, in the order in which these began, at most `limit`.
    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<ChannelName>, StorageError>;
}
