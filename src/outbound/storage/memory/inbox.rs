//! A user's inbox, computed from the intervals of the user's open and ended subscriptions.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};

use super::events::clone_events;
use super::state::AppData;
use crate::core::model::{ChannelName, Event, UserId};
use crate::core::ports::ReadLimit;

impl AppData {
    /// See [`EventStore::inbox`](crate::core::ports::EventStore::inbox).
    pub(super) fn inbox(&self, user: &UserId, skip: usize, limit: ReadLimit) -> Vec<Event> {
        let count = skip.saturating_add(limit.events);
        // Only the newest `count` events of each interval can be among the newest `count` of all.
        let newest = |(channel, start, end): (ChannelName, u64, u64)| {
            let events = self
                .channels
                .get(&channel)
                .filter(|_| start < end)
                .map(|channel| &channel.events);
            let ids = events.into_iter().flat_map(move |events| {
                events
                    .range((Excluded(start), Included(end)))
                    .rev()
                    .take(count)
            });
            ids.map(|(_, event)| event.position.id).collect::<Vec<_>>()
        };
        let ids: BTreeSet<u64> = self.intervals(user).flat_map(newest).collect();
        let events = ids.iter().rev().skip(skip);
        clone_events(events.filter_map(|id| self.events.get(id)), limit)
    }

    fn intervals(&self, user: &UserId) -> impl Iterator<Item = (ChannelName, u64, u64)> {
        let ended = self
            .ended_subscriptions
            .get(user)
            .into_iter()
            .flatten()
            .cloned();
        let open = self
            .subscriptions
            .values()
            .filter(move |subscription| subscription.user_id == *user);
        let open =
            open.map(|subscription| (subscription.channel.clone(), subscription.start, u64::MAX));
        ended
            .chain(open)
            .chain([(ChannelName::personal_of(user), 0, u64::MAX)])
    }
}
