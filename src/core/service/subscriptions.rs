//! Users' persistent subscriptions.

use super::Service;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, SubscriptionFilter, UserId, UserSubscription};
use crate::core::ports::BusMessage;

/// Why a persistent subscription was not made, ended or listed.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// A personal channel gathers others, and a peer channel follows from presence.
    #[error(
        "a user cannot subscribe persistently to a personal-, peer- or #server-to-user- channel: name a public, private or presence channel"
    )]
    Kind,
    /// The store is away.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
}

impl Service {
    /// Subscribes a user to a channel; the same again answers the one that is there. The user's connected sockets follow.
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
            self.tell_user(app, user).await;
        }
        Ok(subscription)
    }

    /// Ends a subscription and answers it; `None` where there was none. The user's connected sockets follow.
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
            self.tell_user(app, user).await;
        }
        Ok(ended)
    }

    /// Open subscriptions in the order of their `id`, those above `after`, at most `limit`.
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

    async fn tell_user(&self, app: &AppIdent, user: &UserId) {
        let message = BusMessage::SubscriptionsChanged {
            app: app.clone(),
            user: user.clone(),
        };
        // A bus that is away says so itself, and resynchronises when it is back.
        let _ = self.ports.nodes.bus.publish(message).await;
    }
}
