//! Writing recorded events into the outbox.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::WebhookQueue;
use super::grace_period::Departure;
use crate::core::model::{AppIdent, ChannelName, OutboxEvent, OutboxEventKind, UserId};

/// The events in one commit, and the departures that are checked together.
const BATCH: usize = 1000;

/// The pause before a failed write is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// The members of a channel now.
enum Present {
    /// Whether the channel is occupied.
    Channel(bool),
    Users(HashSet<UserId>),
}

impl Present {
    fn contains(&self, departure: &Departure) -> bool {
        match (self, &departure.user) {
            (Self::Users(users), Some(user)) => users.contains(user),
            (Self::Channel(is_occupied), _) => *is_occupied,
            (Self::Users(users), None) => !users.is_empty(),
        }
    }
}

impl WebhookQueue {
    /// Writes recorded events into the outbox as they arrive, until `stop` ends and none is left. Users within their grace
    /// period are then still reported as present: the reconciler of the next start checks them.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut stopping = false;
        loop {
            self.confirm_departures().await;
            let batch = self.take_batch();
            if !batch.is_empty() {
                let put = async {
                    while let Err(error) = self.outbox.put(&batch).await {
                        tracing::warn!(
                            error = error.chain(),
                            "webhook events not stored, retrying"
                        );
                        sleep(RETRY).await;
                    }
                };
                tokio::select! {
                    biased;
                    () = put => {}
                    () = &mut stop, if !stopping => {
                        // The write may be done or not: it can be repeated.
                        self.put_back(batch);
                        stopping = true;
                        continue;
                    }
                    () = sleep(RETRY), if stopping => {
                        tracing::error!(
                            dropped = batch.len(),
                            "shutdown: webhook events lost, storage unavailable"
                        );
                        return;
                    }
                }
                self.notify_sender();
                self.recheck(&batch).await;
                continue;
            }
            if stopping {
                return;
            }
            let next = self.pending.lock().departures.next_due();
            let due = async {
                match next {
                    Some(then) => sleep_until(then).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.recorded.notified() => {}
                () = due => {}
                () = &mut stop => stopping = true,
            }
        }
    }

    fn take_batch(&self) -> Vec<OutboxEvent> {
        let mut pending = self.pending.lock();
        let dropped = std::mem::take(&mut pending.dropped);
        let count = pending.events.len().min(BATCH);
        let batch = pending.events.drain(..count).collect();
        drop(pending);
        if dropped > 0 {
            tracing::error!(dropped, "webhook events lost, storage unavailable");
        }
        batch
    }

    fn put_back(&self, batch: Vec<OutboxEvent>) {
        let mut pending = self.pending.lock();
        for event in batch.into_iter().rev() {
            pending.events.push_front(event);
        }
    }

    /// Records the departures whose grace period has ended, except of users who are present again.
    async fn confirm_departures(&self) {
        let departures = self
            .pending
            .lock()
            .departures
            .take_due(Instant::now(), BATCH);
        // Read once for each channel: many may have left the same one.
        let mut channels: HashMap<(AppIdent, ChannelName, bool), Option<Present>> = HashMap::new();
        for departure in departures {
            let key = (
                departure.app.clone(),
                departure.channel.clone(),
                departure.user.is_some(),
            );
            let present = match channels.remove(&key) {
                Some(present) => present,
                None => self.present_at(&departure).await,
            };
            match (&present, self.apps.get(&departure.app).await) {
                (_, Ok(None)) => {}
                (Some(present), Ok(Some(app))) if !present.contains(&departure) => {
                    let kind = OutboxEventKind::departed(departure.user.clone());
                    self.push(self.event(&app, &departure.channel, kind));
                }
                (Some(_), Ok(Some(_))) => {}
                (None, _) | (_, Err(_)) => self.defer(departure),
            }
            channels.insert(key, present);
        }
    }

    /// Reads the members of the channel; `None`: the other nodes cannot be reached.
    async fn present_at(&self, departure: &Departure) -> Option<Present> {
        let Departure { app, channel, user } = departure;
        if user.is_none() {
            let occupancy = self.nodes.roster.occupancy(app, channel).await.ok()?;
            return Some(Present::Channel(occupancy.subscriptions > 0));
        }
        let members = self.nodes.presence.members(app, channel).await.ok()?;
        Some(Present::Users(
            members
                .iter()
                .map(|member| member.user_id.clone())
                .collect(),
        ))
    }

    /// Another node may have seen a join between our presence read and our `vacated` record, and skipped it as a duplicate.
    /// Checks once more and records the arrival.
    async fn recheck(&self, batch: &[OutboxEvent]) {
        if self.single_node {
            return;
        }
        for event in batch {
            let Some((user, false)) = event.kind.presence() else {
                continue;
            };
            let departure = Departure {
                app: event.app.clone(),
                channel: event.channel.clone(),
                user: user.cloned(),
            };
            let (Some(present), Ok(Some(app))) = (
                self.present_at(&departure).await,
                self.apps.get(&departure.app).await,
            ) else {
                continue;
            };
            if present.contains(&departure) {
                let kind = OutboxEventKind::arrived(departure.user);
                self.push(self.event(&app, &departure.channel, kind));
            }
        }
    }
}
