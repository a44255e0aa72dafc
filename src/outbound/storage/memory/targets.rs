//! The registrations of notification targets, and the events that are due.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::DueEvent;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, DueMark, DuePublish, Event, NewTarget, NotificationTarget, Secret,
    TargetFilter, TargetKind, Timestamp,
};
use crate::core::ports::{DuePublishes, TargetStore};

#[async_trait]
impl TargetStore for MemoryStore {
    async fn register(
        &self,
        app: &AppIdent,
        target: &NewTarget,
        only: bool,
        now: Timestamp,
    ) -> Result<(NotificationTarget, bool), StorageError> {
        let mut state = self.state.lock();
        let targets = &mut state.app_data_mut(app)?.targets;
        targets.retain(|_, other| !target.replaces(other));
        if only {
            targets.retain(|_, other| {
                other.kind != target.kind
                    || other.address != target.address
                    || other.channel == target.channel
            });
        }
        let same = TargetFilter {
            address: Some(target.address.clone()),
            channel: Some(target.channel.clone()),
        };
        let existing = targets
            .values_mut()
            .find(|other| other.kind == target.kind && same.matches(other));
        if let Some(existing) = existing {
            (existing.away, existing.digest) = (target.away.clone(), target.digest);
            return Ok((existing.clone(), false));
        }
        let newest = targets.keys().map(|(_, id)| *id).max().unwrap_or(0);
        let new = target.clone().registered(newest + 1, now);
        targets.insert((new.kind, new.id), new.clone());
        Ok((new, true))
    }

    async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let of_kind = data
            .targets
            .values()
            .filter(|target| target.kind == kind && target.id > after && filter.matches(target));
        Ok(of_kind.take(limit).cloned().collect())
    }

    async fn remove_target(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let mut state = self.state.lock();
        let Ok(data) = state.app_data_mut(app) else {
            return Ok(Vec::new());
        };
        let filter = TargetFilter {
            address: Some(Secret::new(address)),
            channel: channel.cloned(),
        };
        let mut removed = Vec::new();
        data.targets.retain(|_, target| {
            let is_meant = target.kind == kind && filter.matches(target);
            if is_meant {
                removed.push(target.clone());
            }
            !is_meant
        });
        Ok(removed)
    }

    async fn with_targets(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<ChannelName>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let has_targets = |channel: &&ChannelName| {
            let mut targets = data.targets.values();
            targets.any(|target| target.channel == **channel)
        };
        Ok(channels.iter().filter(has_targets).cloned().collect())
    }

    async fn has_targets(&self, app: &AppIdent) -> Result<bool, StorageError> {
        let state = self.state.lock();
        let data = state.app_data.get(app);
        Ok(data.is_some_and(|data| !data.targets.is_empty()))
    }

    async fn count_targets(&self, kind: TargetKind) -> Result<u64, StorageError> {
        let state = self.state.lock();
        let targets = state.app_data.values().flat_map(|data| data.targets.keys());
        Ok(targets.filter(|(of, _)| *of == kind).count() as u64)
    }
}

#[async_trait]
impl DuePublishes for MemoryStore {
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        (busy, after): (&[AppIdent], Option<&AppIdent>),
        apps: usize,
        events: usize,
    ) -> Result<Vec<DuePublish>, StorageError> {
        let mut state = self.state.lock();
        let holder: Arc<str> = holder.into();
        let (mut claimed, mut left) = (Vec::new(), apps);
        let mut idents: Vec<AppIdent> = state.app_data.keys().cloned().collect();
        idents.sort_unstable_by_key(|app| (after.is_some_and(|after| app <= after), app.clone()));
        for app in &idents {
            let Some(data) = state.app_data.get_mut(app) else {
                continue;
            };
            if busy.contains(app) || left == 0 {
                continue;
            }
            let stored = &data.events;
            data.due.retain(|id, _| stored.contains_key(id));
            let free = data.due.iter_mut().filter(|(_, due)| due.held_until <= now);
            let before = claimed.len();
            for (id, due) in free.take(events) {
                let Some(event) = stored.get(id) else {
                    continue;
                };
                (due.holder, due.held_until) = (Arc::clone(&holder), until);
                claimed.push(DuePublish {
                    holder: Arc::clone(&holder),
                    app: app.clone(),
                    event: Event::clone(event),
                    publish: Arc::clone(&due.publish),
                    cursor: due.cursor.clone(),
                });
            }
            left -= usize::from(claimed.len() > before);
        }
        Ok(claimed)
    }

    async fn advance_due(
        &self,
        due: &DuePublish,
        cursor: Option<&str>,
        until: Timestamp,
    ) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data.get_mut(&due.app);
        let stored = data.and_then(|data| data.due.get_mut(&due.event.position.id));
        if let Some(stored) = stored.filter(|stored| stored.holder == due.holder) {
            (stored.cursor, stored.held_until) = (cursor.map(Into::into), until);
        }
        Ok(())
    }

    async fn finish_due(&self, due: &[DuePublish]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        for due in due {
            if let Some(data) = state.app_data.get_mut(&due.app) {
                data.due.remove(&due.event.position.id);
            }
        }
        Ok(())
    }

    async fn list_due(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DueMark>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let due = data.due.iter().filter(|(id, _)| **id > after);
        let marks = due.map(|(id, due)| DueMark {
            event: *id,
            publish: Arc::clone(&due.publish),
            cursor: due.cursor.clone(),
        });
        Ok(marks.take(limit).collect())
    }

    async fn put_due(&self, app: &AppIdent, due: &[DueMark]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data_mut(app)?;
        for mark in due {
            if data.events.contains_key(&mark.event) {
                let new = data.due.entry(mark.event);
                new.or_insert_with(|| DueEvent {
                    cursor: mark.cursor.clone(),
                    ..DueEvent::new(&mark.publish)
                });
            }
        }
        Ok(())
    }

    async fn release_due(&self, holder: &str) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let due = state
            .app_data
            .values_mut()
            .flat_map(|data| data.due.values_mut());
        for due in due.filter(|due| &*due.holder == holder) {
            due.held_until = Timestamp::default();
        }
        Ok(())
    }
}

impl DueEvent {
    /// An event that no node has claimed.
    pub(super) fn new(publish: &Arc<str>) -> Self {
        Self {
            publish: Arc::clone(publish),
            cursor: None,
            holder: "".into(),
            held_until: Timestamp::default(),
        }
    }
}
