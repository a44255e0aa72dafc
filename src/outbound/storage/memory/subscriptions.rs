//! Persistent subscriptions.

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};
use crate::core::ports::SubscriptionStore;

#[async_trait]
impl SubscriptionStore for MemoryStore {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data_mut(app)?;
        let key = (user.clone(), channel.clone());
        if let Some(open) = data
            .open_subscriptions
            .get(&key)
            .and_then(|id| data.subscriptions.get(id))
        {
            return Ok((open.clone(), false));
        }
        let subscription = UserSubscription {
            id: data.next_id(),
            app: app.clone(),
            user_id: user.clone(),
            channel: channel.clone(),
            start: data.head(channel),
            end: None,
            created: now,
            modified: now,
        };
        data.open_subscriptions.insert(key, subscription.id);
        data.subscriptions
            .insert(subscription.id, subscription.clone());
        Ok((subscription, true))
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError> {
        let mut state = self.state.lock();
        let Some(data) = state.app_data.get_mut(app) else {
            return Ok(None);
        };
        let open = data
            .open_subscriptions
            .remove(&(user.clone(), channel.clone()));
        let Some(subscription) = open.and_then(|id| data.subscriptions.remove(&id)) else {
            return Ok(None);
        };
        let end = data.head(channel);
        if subscription.start < end {
            data.ended_subscriptions
                .entry(user.clone())
                .or_default()
                .push((channel.clone(), subscription.start, end));
        }
        Ok(Some(UserSubscription {
            end: Some(end),
            modified: now,
            ..subscription
        }))
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError> {
        let matches = |subscription: &&UserSubscription| {
            subscription.id > after
                && filter
                    .user_id
                    .as_ref()
                    .is_none_or(|user| subscription.user_id == *user)
                && filter
                    .channel
                    .as_ref()
                    .is_none_or(|channel| subscription.channel == *channel)
        };
        let state = self.state.lock();
        let all = state
            .app_data
            .get(app)
            .into_iter()
            .flat_map(|data| data.subscriptions.values());
        Ok(all.filter(matches).take(limit).cloned().collect())
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<ChannelName>, StorageError> {
        let state = self.state.lock();
        let all = state
            .app_data
            .get(app)
            .into_iter()
            .flat_map(|data| data.subscriptions.values());
        Ok(all
            .filter(|subscription| subscription.user_id == *user)
            .map(|subscription| subscription.channel.clone())
            .take(limit)
            .collect())
    }
}
