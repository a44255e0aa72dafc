//! Export and import of all data of an app.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::{AppData, MemoryState};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, NotificationTarget, SubscriptionInterval,
    TargetKind, UserId, UserSubscription,
};
use crate::core::ports::Archive;

impl MemoryState {
    fn import_event(&mut self, event: &Event) -> Result<(), StorageError> {
        let data = self
            .app_data
            .get_mut(&event.new.app)
            .ok_or(StorageError::NotFound)?;
        let channel = data.channels.entry(event.new.channel.clone()).or_default();
        match channel.events.get(&event.position.serial) {
            Some(stored) if stored.new.mid == event.new.mid => return Ok(()),
            Some(_) => return Err(StorageError::Conflict("serial")),
            None => {}
        }
        if !self.mids.insert(event.new.mid.clone()) {
            return Err(StorageError::Conflict("mid"));
        }
        let stored = Arc::new(event.clone());
        channel
            .events
            .insert(event.position.serial, Arc::clone(&stored));
        channel.head = channel.head.max(event.position.serial);
        data.events.insert(event.position.id, stored);
        data.mids.insert(event.new.mid.clone(), event.position.id);
        data.last_id = data.last_id.max(event.position.id);
        Ok(())
    }
}

impl MemoryStore {
    /// Reads a list from the data of an app; empty if the app does not exist.
    fn read_app<T>(&self, app: &AppIdent, read: impl FnOnce(&AppData) -> Vec<T>) -> Vec<T> {
        self.state
            .lock()
            .app_data
            .get(app)
            .map_or_else(Vec::new, read)
    }
}

/// Sorts the items, and returns at most `limit` of those after `after`.
fn page<K: Ord, T>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
    after: Option<K>,
    limit: usize,
) -> Vec<T> {
    let mut page: Vec<T> = all
        .filter(|item| after.as_ref().is_none_or(|after| key(item) > *after))
        .collect();
    page.sort_by_key(key);
    page.truncate(limit);
    page
}

#[async_trait]
impl Archive for MemoryStore {
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError> {
        Ok(self.read_app(app, |data| {
            let heads = data
                .channels
                .iter()
                .map(|(name, channel)| (name.clone(), channel.head))
                .filter(|(_, head)| *head > 0);
            page(heads, |(name, _)| name.clone(), after.cloned(), limit)
        }))
    }

    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        Ok(self.read_app(app, |data| {
            data.events
                .range(after.saturating_add(1)..)
                .take(limit)
                .map(|(_, event)| Event::clone(event))
                .collect()
        }))
    }

    async fn put_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data_mut(app)?;
        for (channel, head) in heads {
            let channel = data.channels.entry(channel.clone()).or_default();
            channel.head = channel.head.max(*head);
        }
        events
            .iter()
            .try_for_each(|event| state.import_event(event))
    }

    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<SubscriptionInterval>, StorageError> {
        let intervals_of_user = |(user, intervals): (&UserId, &Vec<(ChannelName, u64, u64)>)| {
            let interval = |(channel, start, end): &(ChannelName, u64, u64)| SubscriptionInterval {
                user_id: user.clone(),
                channel: channel.clone(),
                start: *start,
                end: *end,
            };
            intervals.iter().map(interval).collect::<Vec<_>>()
        };
        Ok(self.read_app(app, |data| {
            let users = data
                .ended_subscriptions
                .iter()
                .filter(|(_, intervals)| !intervals.is_empty());
            page(users, |(user, _)| (*user).clone(), after.cloned(), limit)
                .into_iter()
                .flat_map(intervals_of_user)
                .collect()
        }))
    }

    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data_mut(app)?;
        for subscription in open {
            let key = (subscription.user_id.clone(), subscription.channel.clone());
            if let Entry::Vacant(vacant) = data.open_subscriptions.entry(key) {
                vacant.insert(subscription.id);
                data.subscriptions
                    .insert(subscription.id, subscription.clone());
                data.last_id = data.last_id.max(subscription.id);
            }
        }
        for interval in ended {
            let intervals = data
                .ended_subscriptions
                .entry(interval.user_id.clone())
                .or_default();
            if !intervals
                .iter()
                .any(|(channel, start, _)| *channel == interval.channel && *start == interval.start)
            {
                intervals.push((interval.channel.clone(), interval.start, interval.end));
            }
        }
        Ok(())
    }

    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError> {
        Ok(self.read_app(app, |data| {
            page(
                data.cache.values().cloned(),
                |event| event.channel.clone(),
                after.cloned(),
                limit,
            )
        }))
    }

    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        Ok(self.read_app(app, |data| {
            let of_kind = data
                .targets
                .values()
                .filter(|target| target.kind == kind && target.id > after);
            of_kind.take(limit).cloned().collect()
        }))
    }

    async fn put_targets(
        &self,
        app: &AppIdent,
        targets: &[NotificationTarget],
    ) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data_mut(app)?;
        for target in targets {
            data.targets
                .entry((target.kind, target.id))
                .or_insert_with(|| target.clone());
        }
        Ok(())
    }
}
