//! What waits for webhooks, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Claim, Delivery, OutboxEvent, QueuedEvent, ReportedPresence, Timestamp,
    Waiting,
};
use crate::core::ports::{AttemptResult, ClaimUpdate, DeliveryLog, Disposition, Outbox};

/// What one app has.
#[derive(Default)]
pub(super) struct AppOutbox {
    queues: BTreeMap<Arc<str>, Queue>,
    marks: BTreeSet<ReportedPresence>,
    /// Deliveries, with the notices of those that were given up.
    log: BTreeMap<u64, (Delivery, Vec<QueuedEvent>)>,
    last_notice: u64,
    last_delivery: u64,
}

/// What waits for one address.
#[derive(Default)]
struct Queue {
    notices: BTreeMap<u64, QueuedEvent>,
    due: Timestamp,
    holder: Arc<str>,
    held_until: Timestamp,
    attempts: u64,
    last: Attempt,
}

impl AppOutbox {
    fn put(&mut self, happening: &OutboxEvent) {
        if let Some((user, is_there)) = happening.what.standing() {
            let mark = ReportedPresence {
                channel: happening.channel.clone(),
                user: user.cloned(),
            };
            let is_news = if is_there {
                self.marks.insert(mark)
            } else {
                self.marks.remove(&mark)
            };
            if !is_news {
                return;
            }
        }
        for address in &happening.addresses {
            self.last_notice += 1;
            let OutboxEvent {
                channel, at, what, ..
            } = happening.clone();
            let notice = QueuedEvent {
                id: self.last_notice,
                channel,
                what,
                at,
                since: at,
            };
            let queue = self
                .queues
                .entry(Arc::clone(address))
                .or_insert_with(|| Queue {
                    due: at,
                    ..Queue::default()
                });
            queue.notices.insert(notice.id, notice);
        }
    }

    fn settle(&mut self, claim: &Claim, settlement: &AttemptResult) -> bool {
        let Some(queue) = self
            .queues
            .get_mut(&claim.address)
            .filter(|queue| queue.holder == claim.holder)
        else {
            return false;
        };
        let AttemptResult {
            ending,
            upto,
            notices,
            at,
            attempt,
            next,
        } = settlement.clone();
        let attempts = queue.attempts + 1;
        if ending == Disposition::Delivered {
            (queue.attempts, queue.last) = (0, Attempt::default());
        } else {
            (queue.attempts, queue.last) = (attempts, attempt.clone());
        }
        if ending != Disposition::Failed && upto != 0 {
            let rest = queue.notices.split_off(&(upto + 1));
            let ended = std::mem::replace(&mut queue.notices, rest);
            self.last_delivery += 1;
            let (id, address, given_up) = (
                self.last_delivery,
                Arc::clone(&claim.address),
                ending == Disposition::GivenUp,
            );
            let kept = if given_up {
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
                        notices,
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
            ClaimUpdate::Free(_) if queue.notices.is_empty() => {
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
    async fn put(&self, happenings: &[OutboxEvent]) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        for happening in happenings {
            if let Ok(owned) = state.owned_mut(&happening.app) {
                owned.outbox.put(happening);
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
        let queues = state.owned.iter_mut().flat_map(|(app, owned)| {
            owned
                .outbox
                .queues
                .iter_mut()
                .map(move |queue| (app, queue))
        });
        let due = |queue: &Queue| {
            queue.due <= now && queue.held_until <= now && !queue.notices.is_empty()
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
            .owned
            .get(&claim.app)
            .and_then(|owned| owned.outbox.queues.get(&claim.address));
        Ok(queue.map_or_else(Vec::new, |queue| {
            queue.notices.values().take(limit).cloned().collect()
        }))
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &AttemptResult,
    ) -> Result<bool, StorageError> {
        let mut state = self.state.lock();
        Ok(state
            .owned_mut(&claim.app)
            .is_ok_and(|owned| owned.outbox.settle(claim, settlement)))
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        let queues = state
            .owned
            .values_mut()
            .flat_map(|owned| owned.outbox.queues.values_mut());
        for queue in queues.filter(|queue| &*queue.holder == holder) {
            (queue.holder, queue.held_until) = ("".into(), Timestamp::default());
        }
        Ok(())
    }

    async fn standing(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        let state = self.state.lock();
        let Some(owned) = state.owned.get(app) else {
            return Ok(Vec::new());
        };
        let behind = owned
            .outbox
            .marks
            .iter()
            .filter(|mark| after.is_none_or(|after| *mark > after));
        Ok(behind.take(limit).cloned().collect())
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        let state = self.state.lock();
        let queues = state
            .owned
            .values()
            .flat_map(|owned| owned.outbox.queues.values());
        Ok(queues.map(|queue| queue.notices.len() as u64).sum())
    }
}

#[async_trait]
impl DeliveryLog for MemoryStore {
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<Waiting>, StorageError> {
        let state = self.state.lock();
        let Some(owned) = state.owned.get(app) else {
            return Ok(Vec::new());
        };
        let waiting = owned
            .outbox
            .queues
            .iter()
            .filter(|(_, queue)| !queue.notices.is_empty())
            .map(|(address, queue)| Waiting {
                address: Arc::clone(address),
                notices: queue.notices.len() as u64,
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
        let Some(owned) = state.owned.get(app) else {
            return Ok(Vec::new());
        };
        let entries = owned.outbox.log.range(..before.unwrap_or(u64::MAX)).rev();
        Ok(entries
            .take(limit)
            .map(|(_, (delivery, _))| delivery.clone())
            .collect())
    }

    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError> {
        let mut state = self.state.lock();
        let outbox = &mut state.owned_mut(app)?.outbox;
        let (entry, kept) = outbox
            .log
            .get_mut(&delivery)
            .filter(|(entry, _)| entry.given_up)
            .ok_or(StorageError::NotFound)?;
        let count = kept.len() as u64;
        if count > 0 {
            let queue = outbox.queues.entry(Arc::clone(&entry.address)).or_default();
            queue.due = now;
            // With new numbers: what is under way meanwhile is settled by the numbers that it had.
            for notice in kept.drain(..) {
                outbox.last_notice += 1;
                queue.notices.insert(
                    outbox.last_notice,
                    QueuedEvent {
                        id: outbox.last_notice,
                        since: now,
                        ..notice
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
        for owned in self.state.lock().owned.values_mut() {
            let old =
                |entry: &Delivery| entry.at < if entry.given_up { given_up } else { delivered };
            let ids = owned
                .outbox
                .log
                .iter()
                .filter(|(_, (entry, _))| old(entry))
                .map(|(id, _)| *id);
            let ids: Vec<u64> = ids.take(limit - removed).collect();
            removed += ids.len();
            for id in ids {
                owned.outbox.log.remove(&id);
            }
        }
        Ok(removed as u64)
    }
}
