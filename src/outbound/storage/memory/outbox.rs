//! The queues of webhook events, and the delivery log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Claim, Delivery, LostEvents, OutboxEvent, QueuedAddress, QueuedEvent,
    ReportedPresence, Timestamp,
};
use crate::core::ports::{
    AttemptResult, ClaimUpdate, DeliveryLog, Disposition, OLDEST_BYTES, OUTBOX_EVENT_BYTES, Outbox,
    OutboxBytes,
};

/// The queues and the delivery log of one app.
#[derive(Default)]
pub(super) struct AppOutbox {
    queues: BTreeMap<Arc<str>, WebhookQueue>,
    /// The presence last reported to webhooks.
    reported: BTreeSet<ReportedPresence>,
    /// Deliveries by id, with the events of those that were given up.
    log: BTreeMap<u64, (Delivery, Vec<QueuedEvent>)>,
    last_event_id: u64,
    last_delivery_id: u64,
}

/// The queue of one address.
#[derive(Default)]
struct WebhookQueue {
    events: BTreeMap<u64, QueuedEvent>,
    due: Timestamp,
    holder: Arc<str>,
    held_until: Timestamp,
    attempts: u64,
    last: Attempt,
}

impl AppOutbox {
    fn put(&mut self, event: &OutboxEvent) {
        if let Some((user, present)) = event.kind.presence() {
            let presence = ReportedPresence {
                channel: event.channel.clone(),
                user: user.cloned(),
            };
            let is_change = if present {
                self.reported.insert(presence)
            } else {
                self.reported.remove(&presence)
            };
            if !is_change {
                return;
            }
        }
        for address in event.addresses.iter() {
            self.last_event_id += 1;
            let OutboxEvent {
                channel, at, kind, ..
            } = event.clone();
            let queued = QueuedEvent {
                id: self.last_event_id,
                channel,
                kind,
                at,
                since: at,
            };
            let queue = self
                .queues
                .entry(Arc::clone(address))
                .or_insert_with(|| WebhookQueue {
                    due: at,
                    ..WebhookQueue::default()
                });
            queue.events.insert(queued.id, queued);
        }
    }

    fn settle(&mut self, claim: &Claim, result: &AttemptResult) -> bool {
        let Some(queue) = self
            .queues
            .get_mut(&claim.address)
            .filter(|queue| queue.holder == claim.holder)
        else {
            return false;
        };
        let AttemptResult {
            disposition,
            upto,
            events,
            at,
            attempt,
            next,
        } = result.clone();
        let attempts = queue.attempts + 1;
        if disposition == Disposition::Delivered {
            (queue.attempts, queue.last) = (0, Attempt::default());
        } else {
            (queue.attempts, queue.last) = (attempts, attempt.clone());
        }
        if disposition != Disposition::Failed && upto != 0 {
            let rest = queue.events.split_off(&(upto + 1));
            let ended = std::mem::replace(&mut queue.events, rest);
            self.last_delivery_id += 1;
            let (id, address, given_up) = (
                self.last_delivery_id,
                Arc::clone(&claim.address),
                disposition != Disposition::Delivered,
            );
            let kept = if disposition == Disposition::GivenUp {
                ended.into_values().collect()
            } else {
                Vec::new()
            };
            self.log.insert(
                id,
                (
                    Delivery {
                        id,
                        address,
                        at,
                        events,
                        attempts,
                        last: attempt,
                        given_up,
                    },
                    kept,
                ),
            );
        }
        match next {
            ClaimUpdate::Hold(until) => queue.held_until = until,
            ClaimUpdate::Free(_) if queue.events.is_empty() => {
                drop(self.queues.remove(&claim.address))
            }
            ClaimUpdate::Free(due) => {
                (queue.due, queue.held_until, queue.holder) = (due, Timestamp::default(), "".into())
            }
        }
        true
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn put(&self, events: &[OutboxEvent]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        for event in events {
            if let Ok(data) = state.app_data_mut(&event.app) {
                data.outbox.put(event);
            }
        }
        Ok(())
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let mut state = self.state.lock();
        let queues = state
            .app_data
            .iter_mut()
            .flat_map(|(app, data)| data.outbox.queues.iter_mut().map(move |queue| (app, queue)));
        let due = |queue: &WebhookQueue| {
            queue.due <= now && queue.held_until <= now && !queue.events.is_empty()
        };
        let mut due: Vec<_> = queues.filter(|(_, (_, queue))| due(queue)).collect();
        due.sort_by_key(|(_, (_, queue))| queue.due);
        let holder: Arc<str> = holder.into();
        let claims = due.into_iter().take(limit).map(|(app, (address, queue))| {
            (queue.holder, queue.held_until) = (Arc::clone(&holder), until);
            Claim {
                holder: Arc::clone(&holder),
                app: app.clone(),
                address: Arc::clone(address),
                attempts: queue.attempts,
            }
        });
        Ok(claims.collect())
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        let state = self.state.lock();
        let queue = state
            .app_data
            .get(&claim.app)
            .and_then(|data| data.outbox.queues.get(&claim.address));
        let mut bytes = 0;
        let mut fits = |(place, event): &(usize, &QueuedEvent)| {
            bytes += event.kind.bytes();
            *place == 0 || bytes <= OLDEST_BYTES
        };
        Ok(queue.map_or_else(Vec::new, |queue| {
            let events = queue.events.values().take(limit).enumerate();
            events
                .take_while(|event| fits(event))
                .map(|(_, event)| event.clone())
                .collect()
        }))
    }

    async fn settle(&self, claim: &Claim, result: &AttemptResult) -> Result<bool, StorageError> {
        let mut state = self.state.lock();
        Ok(state
            .app_data_mut(&claim.app)
            .is_ok_and(|data| data.outbox.settle(claim, result)))
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let queues = state
            .app_data
            .values_mut()
            .flat_map(|data| data.outbox.queues.values_mut());
        for queue in queues.filter(|queue| &*queue.holder == holder) {
            (queue.holder, queue.held_until) = ("".into(), Timestamp::default());
        }
        Ok(())
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(Vec::new());
        };
        let reported = data
            .outbox
            .reported
            .iter()
            .filter(|presence| after.is_none_or(|after| *presence > after));
        Ok(reported.take(limit).cloned().collect())
    }

    async fn bytes_of(&self, app: &AppIdent) -> Result<OutboxBytes, StorageError> {
        let state = self.state.lock();
        let Some(data) = state.app_data.get(app) else {
            return Ok(OutboxBytes::default());
        };
        let bytes = |event: &QueuedEvent| {
            OUTBOX_EVENT_BYTES + (event.channel.as_str().len() + event.kind.bytes()) as u64
        };
        let waiting = data
            .outbox
            .queues
            .values()
            .flat_map(|queue| queue.events.values());
        let given_up = data.outbox.log.values().flat_map(|(_, kept)| kept);
        Ok(OutboxBytes {
            waiting: waiting.map(bytes).sum(),
            given_up: given_up.map(bytes).sum(),
        })
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        let state = self.state.lock();
        let queues = state
            .app_data
            .values()
            .flat_map(|data| data.outbox.queues.values());
        Ok(queues.map(|queue| queue.events.len() as u64).sum())
    }
}

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
            .filter(|(_, queue)| !queue.events.is_empty())
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
            .take(limit)
            .map(|(_, (delivery, _))| delivery.clone())
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
            outbox.log.insert(entry.id, (entry, Vec::new()));
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
        let (entry, kept) = outbox
            .log
            .get_mut(&delivery)
            .filter(|(entry, _)| entry.given_up)
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
                .filter(|(_, (entry, _))| is_expired(entry))
                .map(|(id, _)| *id);
            let ids: Vec<u64> = ids.take(limit - removed).collect();
            removed += ids.len();
            for id in ids {
                data.outbox.log.remove(&id);
            }
        }
        Ok(removed as u64)
    }
}
