//! The delivery log, and the log of notifications.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::outbox::{LoggedDelivery, target_of};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Delivery, LoggedNotification, LostEvents, NotificationFilter,
    NotificationState, OutboxEvent, OutboxEventKind, QueuedAddress, QueuedEvent, Timestamp,
};
use crate::core::ports::{DeliveryLog, NotificationLog};

#[async_trait]
impl DeliveryLog for MemoryStore {
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<QueuedAddress>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let waiting = data
            .outbox
            .queues
            .iter()
            .filter(|(address, queue)| !queue.events.is_empty() && target_of(address).is_none())
            .map(|(address, queue)| QueuedAddress {
                address: Arc::clone(address),
                events: queue.events.len() as u64,
                attempts: queue.attempts,
                due: queue.due,
                last: queue.last.clone(),
            });
        Ok(waiting.collect())
    }

    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let entries = data.outbox.log.range(..before.unwrap_or(u64::MAX)).rev();
        Ok(entries
            .map(|(_, logged)| &logged.delivery)
            .filter(|delivery| target_of(&delivery.address).is_none())
            .take(limit)
            .cloned()
            .collect())
    }

    async fn log_lost(&self, lost: &[LostEvents]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        for lost in lost {
            let Ok(data) = state.app_data_mut(&lost.app) else {
                continue;
            };
            let outbox = &mut data.outbox;
            outbox.last_delivery_id += 1;
            let entry = Delivery {
                id: outbox.last_delivery_id,
                address: Arc::clone(&lost.address),
                at: lost.at,
                events: lost.events,
                attempts: 0,
                last: Attempt {
                    status: None,
                    problem: Some(lost.problem.clone()),
                },
                given_up: true,
            };
            let logged = LoggedDelivery {
                delivery: entry,
                kept: Vec::new(),
                notification: None,
            };
            outbox.log.insert(logged.delivery.id, logged);
        }
        Ok(())
    }

    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError> {
        let mut state = self.state.lock();
        let outbox = &mut state.app_data_mut(app)?.outbox;
        let LoggedDelivery {
            delivery: entry,
            kept,
            ..
        } = outbox
            .log
            .get_mut(&delivery)
            .filter(|logged| logged.delivery.given_up)
            .ok_or(StorageError::NotFound)?;
        let count = kept.len() as u64;
        if count > 0 {
            let queue = outbox.queues.entry(Arc::clone(&entry.address)).or_default();
            queue.due = now;
            // New ids: a claim that is in progress settles by the ids that it has read.
            for event in kept.drain(..) {
                outbox.last_event_id += 1;
                queue.events.insert(
                    outbox.last_event_id,
                    QueuedEvent {
                        id: outbox.last_event_id,
                        since: now,
                        ..event
                    },
                );
            }
        }
        Ok(count)
    }

    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> Result<u64, StorageError> {
        let mut removed = 0;
        for data in self.state.lock().app_data.values_mut() {
            let is_expired =
                |entry: &Delivery| entry.at < if entry.given_up { given_up } else { delivered };
            let ids = data
                .outbox
                .log
                .iter()
                .filter(|(_, logged)| is_expired(&logged.delivery))
                .map(|(id, _)| *id);
            let ids: Vec<u64> = ids.take(limit - removed).collect();
            removed += ids.len();
            for id in ids {
                let Some(removed) = data.outbox.log.remove(&id) else {
                    continue;
                };
                let event = removed.notification.as_ref();
                if let Some(publish) = event.and_then(|event| event.kind.publish()) {
                    let key = (publish.into(), removed.delivery.address);
                    data.outbox.known.remove(&key);
                }
            }
        }
        Ok(removed as u64)
    }
}

#[async_trait]
impl NotificationLog for MemoryStore {
    async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> Result<Vec<LoggedNotification>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let mut waiting: Vec<LoggedNotification> = Vec::new();
        for (address, queue) in &data.outbox.queues {
            let events = queue.events.values();
            waiting.extend(events.filter_map(|event| {
                Some(LoggedNotification {
                    attempts: queue.attempts,
                    last: queue.last.clone(),
                    next_attempt: Some(queue.due),
                    ..logged(event.id, address, event, NotificationState::Waiting)?
                })
            }));
        }
        waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.id));
        let ended = data.outbox.log.values().rev().filter_map(|entry| {
            let delivery = &entry.delivery;
            let state = match delivery.given_up {
                true => NotificationState::Failed,
                false => NotificationState::Done,
            };
            let event = entry.notification.as_ref()?;
            Some(LoggedNotification {
                attempts: delivery.attempts,
                last: delivery.last.clone(),
                ..logged(delivery.id, &delivery.address, event, state)?
            })
        });
        let is_meant = |one: &LoggedNotification| {
            filter.kind.is_none_or(|kind| kind == one.kind)
                && filter.state.is_none_or(|state| state == one.state)
        };
        let all = waiting.into_iter().chain(ended).filter(is_meant);
        Ok(all.take(limit).collect())
    }

    async fn waiting_notifications(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, OutboxEvent)>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let mut waiting: Vec<(u64, OutboxEvent)> = Vec::new();
        for (address, queue) in &data.outbox.queues {
            let later = queue.events.range(after + 1..).map(|(_, event)| event);
            let notifications = later.filter(|event| event.kind.publish().is_some());
            waiting.extend(notifications.map(|event| {
                let exported = OutboxEvent {
                    app: app.clone(),
                    channel: event.channel.clone(),
                    at: event.at,
                    kind: event.kind.clone(),
                    addresses: [Arc::clone(address)].into(),
                };
                (event.id, exported)
            }));
        }
        waiting.sort_by_key(|(id, _)| *id);
        waiting.truncate(limit);
        Ok(waiting)
    }

    async fn is_known(
        &self,
        app: &AppIdent,
        address: &str,
        publish: &str,
    ) -> Result<bool, StorageError> {
        let state = self.state.lock();
        let data = state.app_data.get(app);
        let key = (publish.into(), address.into());
        Ok(data.is_some_and(|data| data.outbox.known.contains(&key)))
    }

    async fn hasten(
        &self,
        app: &AppIdent,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let mut state = self.state.lock();
        let data = state.app_data.get_mut(app);
        let queue = data.and_then(|data| data.outbox.queues.get_mut(address));
        Ok(queue.is_some_and(|queue| {
            queue.due = queue.due.min(now);
            true
        }))
    }
}

fn logged(
    id: u64,
    address: &Arc<str>,
    event: &QueuedEvent,
    state: NotificationState,
) -> Option<LoggedNotification> {
    let OutboxEventKind::Notification(notification) = &event.kind else {
        return None;
    };
    Some(LoggedNotification {
        id,
        kind: target_of(address)?,
        channel: event.channel.as_str().to_owned(),
        event: notification.event.to_string(),
        address: Arc::clone(address),
        state,
        attempts: 0,
        last: Attempt::default(),
        next_attempt: None,
        created: event.at,
    })
}
