//! Events.

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::{DueEvent, MemoryState};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning, ReadLimit};
use crate::outbound::storage::page::EventPage;

impl MemoryState {
    fn append(&mut self, new: &NewEvent) -> Result<Position, StorageError> {
        let data = self
            .app_data
            .get_mut(&new.app)
            .ok_or(StorageError::NotFound)?;
        if !self.mids.insert(new.mid.clone()) {
            return Err(StorageError::Conflict("mid"));
        }
        let id = data.next_id();
        let channel = data.channels.entry(new.channel.clone()).or_default();
        channel.head += 1;
        let position = Position {
            id,
            serial: channel.head,
        };
        let event = Arc::new(Event {
            new: new.clone(),
            position,
        });
        channel.events.insert(position.serial, Arc::clone(&event));
        data.events.insert(id, event);
        data.mids.insert(new.mid.clone(), id);
        Ok(position)
    }

    fn remove(&mut self, event: &Event) {
        if let Some(data) = self.app_data.get_mut(&event.new.app) {
            data.events.remove(&event.position.id);
            data.mids.remove(&event.new.mid);
            if let Some(channel) = data.channels.get_mut(&event.new.channel) {
                channel.events.remove(&event.position.serial);
            }
        }
        self.mids.remove(&event.new.mid);
    }

    fn expired(&self, pruning: Pruning, limit: usize) -> Vec<Arc<Event>> {
        let is_expired = |event: &&Arc<Event>| {
            let head = || {
                self.app_data
                    .get(&event.new.app)
                    .map_or(0, |data| data.head(&event.new.channel))
            };
            pruning
                .before
                .is_some_and(|before| event.new.timestamp < before)
                || pruning
                    .keep
                    .is_some_and(|keep| event.position.serial <= head().saturating_sub(keep))
        };
        self.app_data
            .values()
            .flat_map(|data| data.events.values())
            .filter(is_expired)
            .take(limit)
            .cloned()
            .collect()
    }
}

/// Copies of the first events, within `limit`.
pub(super) fn clone_events<'a>(
    events: impl Iterator<Item = &'a Arc<Event>>,
    limit: ReadLimit,
) -> Vec<Event> {
    let mut page = EventPage::new(limit);
    for event in events {
        if page.is_full() {
            break;
        }
        page.push(Event::clone(event));
    }
    page.into_events()
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>> {
        let mut state = self.state.lock();
        let positions: Vec<_> = events.iter().map(|event| state.append(event)).collect();
        for ((event, position), publish) in events.iter().zip(&positions).zip(due) {
            if let (Ok(position), Some(publish)) = (position, publish)
                && let Ok(data) = state.app_data_mut(&event.app)
            {
                data.due.insert(position.id, DueEvent::new(publish));
            }
        }
        positions
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        let state = self.state.lock();
        let data = state.app_data.get(app);
        let find = |mid| {
            data.and_then(|data| data.events.get(data.mids.get(mid)?))
                .map(|event| event.position)
        };
        Ok(mids.iter().map(find).collect())
    }

    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        let state = self.state.lock();
        let data = state.app_data.get(app);
        Ok(channels
            .iter()
            .map(|channel| data.map_or(0, |data| data.head(channel)))
            .collect())
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        let events = state
            .app_data
            .get(app)
            .and_then(|data| data.channels.get(channel))
            .map(|channel| &channel.events);
        Ok(events.map_or_else(Vec::new, |events| match before {
            Some(before) => {
                clone_events(events.range(..before).rev().map(|(_, event)| event), limit)
            }
            None => clone_events(events.values().rev(), limit),
        }))
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        let events = state
            .app_data
            .get(app)
            .and_then(|data| data.channels.get(channel))
            .map(|channel| &channel.events);
        // `range` panics if the start is after the end.
        let events = events.filter(|_| after < upto);
        Ok(events.map_or_else(Vec::new, |events| {
            clone_events(
                events
                    .range((Excluded(after), Included(upto)))
                    .map(|(_, event)| event),
                limit,
            )
        }))
    }

    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        let older = ..before.unwrap_or(u64::MAX);
        Ok(state.app_data.get(app).map_or_else(Vec::new, |data| {
            clone_events(
                data.events.range(older).rev().map(|(_, event)| event),
                limit,
            )
        }))
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        Ok(state
            .app_data
            .get(app)
            .map_or_else(Vec::new, |data| data.inbox(user, skip, limit)))
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        let mut state = self.state.lock();
        let expired = state.expired(pruning, limit);
        for event in &expired {
            state.remove(event);
        }
        Ok(expired.len() as u64)
    }
}
