//! Writing recorded events into the outbox.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep, sleep_until};

use super::WebhookQueue;
use super::grace_period::Departure;
use super::outbox_space::OutboxSpace;
use super::queue::work;
use crate::core::model::{AppIdent, ChannelName, OutboxEvent, OutboxEventKind, UserId};
use crate::core::ports::QueueKind;
use crate::core::turn_budget::TurnBudget;

/// The departures that are checked together.
const BATCH: usize = 256;

/// The departures whose channels are read concurrently.
const CONCURRENT_READS: usize = 16;

/// The bytes that one write should have, at least and at most: as many as the store writes in [`BATCH_TIME`]. Another app's
/// event waits for one write.
const MIN_BATCH_BYTES: usize = 16 * 1024;
const MAX_BATCH_BYTES: usize = 256 * 1024;
const BATCH_TIME: Duration = Duration::from_millis(25);

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

/// A channel, and whether its users are meant.
type ChannelKey = (AppIdent, ChannelName, bool);

fn channel_key(departure: &Departure) -> ChannelKey {
    let Departure { app, channel, user } = departure;
    (app.clone(), channel.clone(), user.is_some())
}

/// The outcome of writing a batch.
enum Written {
    Done,
    /// The server is stopping: the batch is in the queue again.
    Stopping,
    /// The server is stopping, and the store is unavailable.
    Lost,
}

/// Logs the webhook events that a stopping server does not write: the store is unavailable, or the task is cut off at the end
/// of the drain time.
struct UnwrittenAtStop<'a> {
    queue: &'a WebhookQueue,
    /// The number of events that are being written.
    batch: usize,
    is_lost: bool,
}

impl Drop for UnwrittenAtStop<'_> {
    fn drop(&mut self) {
        if self.is_lost {
            let lost = self.batch + self.queue.pending.lock().events.iter_mut().count();
            tracing::error!(
                lost,
                "shutdown: webhook events lost, the store has not written them in time"
            );
        }
    }
}

impl WebhookQueue {
    /// Writes recorded events into the outbox as they arrive, until `stop` ends and none is left. Users within their grace
    /// period are then still reported as present: the reconciler of the next start checks them.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut stopping = false;
        let mut space = OutboxSpace::new(self.outbox_bytes);
        let mut budget = TurnBudget::new(MIN_BATCH_BYTES, MAX_BATCH_BYTES, BATCH_TIME);
        loop {
            self.confirm_departures().await;
            self.report_losses(false).await;
            let mut batch = self.take_batch(budget.bytes());
            let is_empty = batch.is_empty();
            for event in space.reject(&*self.outbox, &mut batch).await {
                self.lose(&event);
            }
            if !is_empty && batch.is_empty() {
                continue;
            }
            if !is_empty {
                let work = batch.iter().map(work).sum();
                let begun = Instant::now();
                match self.write(&mut batch, &mut stop, stopping).await {
                    Written::Done => {
                        budget.record(work, begun.elapsed());
                        self.notify_sender();
                        self.recheck(&batch).await;
                    }
                    Written::Stopping => stopping = true,
                    Written::Lost => return,
                }
                continue;
            }
            if stopping {
                self.report_losses(true).await;
                return;
            }
            let next = {
                let pending = self.pending.lock();
                let departures = pending.departures.next_due();
                departures
                    .into_iter()
                    .chain(pending.losses.next_due())
                    .min()
            };
            tokio::select! {
                biased;
                () = &mut stop => stopping = true,
                () = self.recorded.notified() => {}
                () = sleep_until_due(next) => {}
            }
        }
    }

    async fn write(
        &self,
        batch: &mut Vec<OutboxEvent>,
        stop: &mut (impl Future<Output = ()> + Unpin),
        stopping: bool,
    ) -> Written {
        // The same batch again: it may have been written, and more events with it would be written twice.
        let put = async {
            while let Err(error) = self.outbox.put(batch).await {
                tracing::warn!(error = error.chain(), "webhook events not stored, retrying");
                sleep(RETRY).await;
            }
        };
        let mut unwritten = UnwrittenAtStop {
            queue: self,
            batch: batch.len(),
            is_lost: stopping,
        };
        let written = tokio::select! {
            biased;
            () = put => Written::Done,
            () = stop, if !stopping => {
                // The write may be done or not: it can be repeated.
                self.put_back(std::mem::take(batch));
                Written::Stopping
            }
            () = sleep(RETRY), if stopping => Written::Lost,
        };
        unwritten.is_lost = matches!(written, Written::Lost);
        written
    }

    /// Removes the events of the next write, at least one.
    fn take_batch(&self, bytes: usize) -> Vec<OutboxEvent> {
        let mut pending = self.pending.lock();
        let mut batch: Vec<OutboxEvent> = Vec::new();
        let mut work = 0;
        while let Some((_, size)) = pending.events.peek() {
            work += size.work;
            if work > bytes && !batch.is_empty() {
                break;
            }
            batch.extend(pending.events.pop());
        }
        batch
    }

    fn put_back(&self, batch: Vec<OutboxEvent>) {
        let mut pending = self.pending.lock();
        for mut event in batch.into_iter().rev() {
            let (app, size) = (event.app.clone(), pending.size(&mut event));
            pending.events.push_front(&app, event, size);
        }
    }

    /// Drops an event for which its app has no space in the outbox.
    fn lose(&self, event: &OutboxEvent) {
        self.pending.lock().losses.add(event, QueueKind::Outbox);
        self.lost[1].add(&event.app, 1);
    }

    /// Writes the losses that are due into the delivery log, and has presence compared. `all`: also those due later.
    async fn report_losses(&self, all: bool) {
        let due = {
            let mut losses = self.pending.lock();
            if !all
                && losses
                    .losses
                    .next_due()
                    .is_none_or(|due| due > Instant::now())
            {
                return;
            }
            losses.losses.take_due(all)
        };
        for app in &due.apps {
            self.missed.add(app);
        }
        if due.lost.is_empty() {
            return;
        }
        // The metric and the log have them, too.
        if let Err(error) = self.deliveries.log_lost(&due.lost).await {
            tracing::warn!(
                error = error.chain(),
                "lost webhook events not recorded in the delivery log"
            );
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
        let mut channels: HashMap<ChannelKey, Departure> = HashMap::new();
        for departure in &departures {
            channels
                .entry(channel_key(departure))
                .or_insert_with(|| departure.clone());
        }
        let mut reads = FuturesUnordered::new();
        let mut present = HashMap::with_capacity(channels.len());
        for (key, departure) in channels {
            if reads.len() >= CONCURRENT_READS {
                present.extend(reads.next().await);
            }
            reads.push(self.read_present(key, departure));
        }
        while let Some(read) = reads.next().await {
            present.extend([read]);
        }
        for departure in departures {
            let present = present
                .get(&channel_key(&departure))
                .and_then(Option::as_ref);
            match (present, self.apps.get(&departure.app).await) {
                (_, Ok(None)) => {}
                (Some(present), Ok(Some(app))) if !present.contains(&departure) => {
                    let kind = OutboxEventKind::departed(departure.user.clone());
                    self.push(self.event(&app, &departure.channel, kind));
                }
                (Some(_), Ok(Some(_))) => {}
                (None, _) | (_, Err(_)) => self.defer(departure),
            }
        }
    }

    async fn read_present(
        &self,
        key: ChannelKey,
        departure: Departure,
    ) -> (ChannelKey, Option<Present>) {
        (key, self.present_at(&departure).await)
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

/// Waits until `then`; forever where there is none.
async fn sleep_until_due(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}
