//! The queues of webhook events and notifications.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Claim, Delivery, OutboxEvent, QueuedEvent, ReportedPresence, TargetKind,
    Timestamp,
};
use crate::core::ports::{
    AttemptResult, ClaimUpdate, Disposition, OLDEST_BYTES, OUTBOX_EVENT_BYTES, Outbox, OutboxBytes,
};

/// The queues and the delivery log of one app.
#[derive(Default)]
pub(super) struct AppOutbox {
    pub queues: BTreeMap<Arc<str>, AddressQueue>,
    /// The presence last reported to webhooks.
    reported: BTreeSet<ReportedPresence>,
    /// The publish and the address of each notification that waits or is in the log.
    pub known: HashSet<(Arc<str>, Arc<str>)>,
    /// Deliveries by id.
    pub log: BTreeMap<u64, LoggedDelivery>,
    pub last_event_id: u64,
    pub last_delivery_id: u64,
}

/// An entry of the delivery log.
pub(super) struct LoggedDelivery {
    pub delivery: Delivery,
    /// The events, where they were given up.
    pub kept: Vec<QueuedEvent>,
    /// Of a delivery to a target: the notification.
    pub notification: Option<QueuedEvent>,
}

/// The queue of one address.
#[derive(Default)]
pub(super) struct AddressQueue {
    pub events: BTreeMap<u64, QueuedEvent>,
    pub due: Timestamp,
    holder: Arc<str>,
    held_until: Timestamp,
    pub attempts: u64,
    pub last: Attempt,
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
            if let Some(publish) = event.kind.publish()
                && !self.known.insert((publish.into(), Arc::clone(address)))
            {
                continue;
            }
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
                .or_insert_with(|| AddressQueue {
                    due: at,
                    ..AddressQueue::default()
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
        let is_ended = disposition != Disposition::Failed && target_of(&claim.address).is_some();
        if disposition == Disposition::Delivered {
            (queue.attempts, queue.last) = (0, Attempt::default());
        } else if is_ended {
            (queue.attempts, queue.last) = (0, attempt.clone());
        } else {
            (queue.attempts, queue.last) = (attempts, attempt.clone());
        }
        if disposition != Disposition::Failed && upto != 0 {
            let rest = queue.events.split_off(&(upto + 1));
            let ended = std::mem::replace(&mut queue.events, rest).into_values();
            let mut ended: Vec<QueuedEvent> = ended.collect();
            let delivery = Delivery {
                id: 0,
                address: Arc::clone(&claim.address),
                at,
                events,
                attempts,
                last: attempt,
                given_up: disposition != Disposition::Delivered,
            };
            let notification = |event: &QueuedEvent| {
                let is_one = event.kind.publish().is_some();
                is_one.then(|| event.clone())
            };
            let mut entries = Vec::new();
            if disposition == Disposition::GivenUp {
                // They are replayed together.
                let newest = ended.last().and_then(notification);
                entries.push((delivery, ended, newest));
            } else if let Some(newest) = ended.pop() {
                let is_each = newest.kind.publish().is_some();
                let events = if is_each { 1 } else { delivery.events };
                let delivery = Delivery { events, ..delivery };
                let older = ended.iter().filter(|_| is_each);
                for one in older.chain([&newest]) {
                    entries.push((delivery.clone(), Vec::new(), notification(one)));
                }
            }
            for (delivery, kept, notification) in entries {
                self.last_delivery_id += 1;
                let id = self.last_delivery_id;
                let logged = LoggedDelivery {
                    delivery: Delivery { id, ..delivery },
                    kept,
                    notification,
                };
                self.log.insert(id, logged);
            }
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
        let is_meant = |_: &AppIdent, address: &str| target_of(address).is_none();
        Ok(self.claim_queues(is_meant, holder, now, until, limit))
    }

    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let is_meant =
            |app: &AppIdent, address: &str| target_of(address) == Some(kind) && !busy.contains(app);
        Ok(self.claim_queues(is_meant, holder, now, until, limit))
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
        let given_up = data.outbox.log.values().flat_map(|logged| &logged.kept);
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

impl MemoryStore {
    fn claim_queues(
        &self,
        is_meant: impl Fn(&AppIdent, &str) -> bool,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Vec<Claim> {
        let mut state = self.state.lock();
        let queues = state
            .app_data
            .iter_mut()
            .flat_map(|(app, data)| data.outbox.queues.iter_mut().map(move |queue| (app, queue)));
        let due = |queue: &AddressQueue| {
            queue.due <= now && queue.held_until <= now && !queue.events.is_empty()
        };
        let mut due: Vec<_> = queues
            .filter(|(app, (address, queue))| due(queue) && is_meant(app, address))
            .collect();
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
        claims.collect()
    }
}

/// The kind of the targets that an address belongs to; `None`: it is that of a webhook.
pub(super) fn target_of(address: &str) -> Option<TargetKind> {
    TargetKind::of_outbox_address(address).map(|(kind, _)| kind)
}
