//! Events in memory.

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Mid, NewEvent, Position, UserId};
use crate::core::ports::{EventStore, Pruning};

impl State {
    fn append(&mut self, new: &NewEvent) -> Result<Position, StorageError> {
        let owned = self.owned.get_mut(&new.app).ok_or(StorageError::NotFound)?;
        if !self.mids.insert(new.mid.clone()) {
            return Err(StorageError::Conflict("mid"));
        }
        let id = owned.next_id();
        let channel = owned.channels.entry(new.channel.clone()).or_default();
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
        owned.events.insert(id, event);
        owned.mids.insert(new.mid.clone(), id);
        Ok(position)
    }

    fn remove(&mut self, event: &Event) {
        if let Some(owned) = self.owned.get_mut(&event.new.app) {
            owned.events.remove(&event.position.id);
            owned.mids.remove(&event.new.mid);
            if let Some(channel) = owned.channels.get_mut(&event.new.channel) {
                channel.events.remove(&event.position.serial);
            }
        }
        self.mids.remove(&event.new.mid);
    }

    fn outdated(&self, pruning: Pruning, limit: usize) -> Vec<Arc<Event>> {
        let old = |event: &&Arc<Event>| {
            let head = || {
                self.owned
                    .get(&event.new.app)
                    .map_or(0, |owned| owned.head(&event.new.channel))
            };
            pruning
                .before
                .is_some_and(|before| event.new.timestamp < before)
                || pruning
                    .keep
                    .is_some_and(|keep| event.position.serial <= head().saturating_sub(keep))
        };
        self.owned
            .values()
            .flat_map(|owned| owned.events.values())
            .filter(old)
            .take(limit)
            .cloned()
            .collect()
    }
}

fn copies<'a>(events: impl Iterator<Item = &'a Arc<Event>>, limit: usize) -> Vec<Event> {
    events
        .take(limit)
        .map(|event| Event::clone(event))
        .collect()
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>> {
        let mut state = self.state.lock();
        events.iter().map(|event| state.append(event)).collect()
    }

    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError> {
        let state = self.state.lock();
        let owned = state.owned.get(app);
        let find = |mid| {
            owned
                .and_then(|owned| owned.events.get(owned.mids.get(mid)?))
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
        let owned = state.owned.get(app);
        Ok(channels
            .iter()
            .map(|channel| owned.map_or(0, |owned| owned.head(channel)))
            .collect())
    }

    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        let events = state
            .owned
            .get(app)
            .and_then(|owned| owned.channels.get(channel))
            .map(|channel| &channel.events);
        Ok(events.map_or_else(Vec::new, |events| match before {
            Some(before) => copies(events.range(..before).rev().map(|(_, event)| event), limit),
            None => copies(events.values().rev(), limit),
        }))
    }

    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        let events = state
            .owned
            .get(app)
            .and_then(|owned| owned.channels.get(channel))
            .map(|channel| &channel.events);
        // A range whose ends cross panics.
        let events = events.filter(|_| after < upto);
        Ok(events.map_or_else(Vec::new, |events| {
            copies(
                events
                    .range((Excluded(after), Included(upto)))
                    .map(|(_, event)| event),
                limit,
            )
        }))
    }

    async fn recent(&self, app: &AppIdent, limit: usize) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        Ok(state
            .owned
            .get(app)
            .map_or_else(Vec::new, |owned| copies(owned.events.values().rev(), limit)))
    }

    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let state = self.state.lock();
        Ok(state
            .owned
            .get(app)
            .map_or_else(Vec::new, |owned| owned.inbox(user, skip, limit)))
    }

    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError> {
        let mut state = self.state.lock();
        let outdated = state.outdated(pruning, limit);
        for event in &outdated {
            state.remove(event);
        }
        Ok(outdated.len() as u64)
    }
}
