//! Users' persistent subscriptions.

use super::Service;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, SubscriptionFilter, UserId, UserSubscription};
use crate::core::ports::BusMessage;

/// Why a persistent subscription was not created, ended or listed.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// A personal channel combines others, and a peer channel depends on presence.
    #[error(
        "a user cannot subscribe persistently to a personal-, peer- or #server-to-user- channel: use a public, private or presence channel"
    )]
    Kind,
    /// The store is unavailable.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
}

impl Service {
    /// Subscribes a user to a channel, or returns the open subscription. The user's connected sockets are updated.
    ///
    /// # Errors
    /// See [`SubscriptionError`].
    pub async fn add_subscription(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<UserSubscription, SubscriptionError> {
        use crate::core::model::ChannelKind::{Peer, Personal, User};
        if matches!(channel.kind(), Personal | Peer | User) {
            return Err(SubscriptionError::Kind);
        }
        let (subscription, new) = self
            .ports
            .stores
            .subscriptions
            .add(app, user, channel, self.ports.clock.now())
            .await?;
        if new {
            self.notify_user(app, user).await;
        }
        Ok(subscription)
    }

    /// Ends a subscription and returns it; `None` where there was none. The user's connected sockets are updated.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn remove_subscription(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<Option<UserSubscription>, SubscriptionError> {
        let ended = self
            .ports
            .stores
            .subscriptions
            .remove(app, user, channel, self.ports.clock.now())
            .await?;
        if ended.is_some() {
            self.notify_user(app, user).await;
        }
        Ok(ended)
    }

    /// Open subscriptions with an `id` above `after`, ordered by `id`, at most `limit`.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn subscriptions(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, SubscriptionError> {
        Ok(self
            .ports
            .stores
            .subscriptions
            .list(app, filter, after, limit)
            .await?)
    }

    async fn notify_user(&self, app: &AppIdent, user: &UserId) {
        let message = BusMessage::SubscriptionsChanged {
            app: app.clone(),
            user: user.clone(),
        };
        // A bus that is unavailable reports that itself, and resynchronises afterwards.
        let _ = self.ports.nodes.bus.publish(message).await;
    }
}
