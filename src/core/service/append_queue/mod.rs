//! The append queue: events on their way into the store, in order, so that concurrent publishes share a commit.
//!
//! [`AppendQueue::run`] takes the queued publishes (up to [`BATCH`] events and a number of bytes), stores them with one
//! commit, releases the stored events to the bus in the order of the queue, and replies to the publishers. An entry that is
//! not persisted passes through the queue only to keep its place behind an earlier publish of the same socket.
//!
//! The apps take turns ([`FairQueue`](crate::core::fair_queue::FairQueue)): the publishes of one app keep their order, and
//! wait for a bounded part of those of another one.
//!
//! An append that fails without a definite result is *in doubt*. Until the store has returned whether it was stored, nothing
//! later is appended: persisted publishes are rejected meanwhile, the others pass.

mod commit;
mod pending;
mod queue;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::commit::InDoubt;
pub(super) use self::pending::{InsertedRow, PendingAppend, ReplyTo};
use self::queue::{BATCH, COMMIT_TIME, MAX_COMMIT_BYTES, MIN_COMMIT_BYTES, PendingAppends};
use super::NotificationQueue;
use super::cache_channels::CacheChannels;
use super::release::release;
use super::tail::Tail;
use crate::core::error::StorageError;
use crate::core::fair_queue::QueueBounds;
use crate::core::model::{AppIdent, Mid};
use crate::core::ports::{Bus, EventStore, Metrics, PublishRows, QueueKind, Stores};
use crate::core::queue_losses::QueueLosses;
use crate::core::turn_budget::TurnBudget;

/// The pause between two attempts to resolve appends in doubt. It is short and constant: publishers are rejected for as
/// long as it lasts.
const RETRY: Duration = Duration::from_millis(100);

/// Why a publish did not enter the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnqueueError {
    /// The app's publishes in the queue have as many bytes as they may.
    Full,
    /// The server is stopping.
    Stopping,
}

/// The publishes of this node that wait for a commit, bounded in bytes by app and in all (`PUSHI_MAX_QUEUED_BYTES`).
pub struct AppendQueue {
    events: Arc<dyn EventStore>,
    rows: Arc<dyn PublishRows>,
    bus: Arc<dyn Bus>,
    tail: Arc<Tail>,
    cache_channels: Arc<CacheChannels>,
    notifications: Arc<NotificationQueue>,
    pending: Mutex<PendingAppends>,
    filled: Notify,
    refused: QueueLosses,
}

impl AppendQueue {
    pub(super) fn new(
        stores: &Stores,
        bus: Arc<dyn Bus>,
        tail: Arc<Tail>,
        cache_channels: Arc<CacheChannels>,
        notifications: Arc<NotificationQueue>,
        bounds: QueueBounds,
        metrics: Arc<dyn Metrics>,
    ) -> Self {
        Self {
            events: Arc::clone(&stores.events),
            rows: Arc::clone(&stores.rows),
            bus,
            tail,
            cache_channels,
            notifications,
            pending: Mutex::new(PendingAppends::new(bounds)),
            filled: Notify::new(),
            refused: QueueLosses::new(QueueKind::Append, metrics),
        }
    }

    /// Appends a publish to the queue.
    pub(super) fn enqueue(&self, app: &AppIdent, entry: PendingAppend) -> Result<(), EnqueueError> {
        let pushed = self.pending.lock().push(app, entry);
        self.pushed(app, pushed, 1)
    }

    /// Appends publishes of one app to the queue: all or none.
    pub(super) fn enqueue_all(
        &self,
        app: &AppIdent,
        entries: Vec<PendingAppend>,
    ) -> Result<(), EnqueueError> {
        let count = entries.len() as u64;
        let pushed = self.pending.lock().push_all(app, entries);
        self.pushed(app, pushed, count)
    }

    /// Appends events that were inserted as rows. Where the queue is full they wait in the store, which is no loss.
    pub(super) fn enqueue_rows(
        &self,
        app: &AppIdent,
        entry: PendingAppend,
    ) -> Result<(), EnqueueError> {
        self.pending.lock().push(app, entry)?;
        self.filled.notify_one();
        Ok(())
    }

    fn pushed(
        &self,
        app: &AppIdent,
        pushed: Result<(), EnqueueError>,
        count: u64,
    ) -> Result<(), EnqueueError> {
        match pushed {
            Ok(()) => self.filled.notify_one(),
            Err(EnqueueError::Full) => self.refused.add(app, count),
            Err(EnqueueError::Stopping) => {}
        }
        pushed
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.pending.lock().bytes() as u64
    }

    /// Stores the queued events and releases them to the bus in order, until `stop` ends and the queue is empty: every
    /// publish that was accepted is stored. Publishes after that are rejected.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut in_doubt: Vec<InDoubt> = Vec::new();
        let mut budget = TurnBudget::new(MIN_COMMIT_BYTES, MAX_COMMIT_BYTES, COMMIT_TIME);
        let mut stopping = false;
        tokio::pin!(stop);
        loop {
            if in_doubt.is_empty() {
                let batch = self.pending.lock().pop_batch(budget.bytes());
                if !batch.is_empty() {
                    let bytes = batch.iter().map(PendingAppend::bytes).sum();
                    let begun = Instant::now();
                    self.commit(batch, &mut in_doubt).await;
                    budget.record(bytes, begun.elapsed());
                } else if !stopping {
                    tokio::select! {
                        biased;
                        () = &mut stop => stopping = true,
                        () = self.filled.notified() => {}
                    }
                } else if self.close() {
                    return;
                }
                continue;
            }
            self.rejecting(self.resolve(&mut in_doubt)).await;
            if in_doubt.is_empty() {
                continue;
            }
            if stopping {
                // The appends stay in doubt: their publishers have received an error already.
                while !self.close() {
                    self.reject_pending().await;
                }
                return;
            }
            let pause = async {
                tokio::select! {
                    biased;
                    () = &mut stop => true,
                    () = tokio::time::sleep(RETRY) => false,
                }
            };
            stopping = self.rejecting(pause).await;
        }
    }

    /// Awaits `until`. While appends are in doubt, no later event may be stored: it would take the serial of an event
    /// that may be stored already. So every persisted publish is rejected until then, and the others pass.
    async fn rejecting<T>(&self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            let entry = tokio::select! {
                biased;
                done = &mut until => return done,
                entry = self.next() => entry,
            };
            // Both make progress: one may hold a connection to the store that the other waits for.
            let pass = self.reject_or_pass(entry);
            tokio::pin!(pass);
            tokio::select! {
                biased;
                done = &mut until => {
                    pass.await;
                    return done;
                }
                () = &mut pass => {}
            }
        }
    }

    /// Removes the first entry, as soon as there is one.
    async fn next(&self) -> PendingAppend {
        loop {
            if let Some(entry) = self.pop() {
                return entry;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<PendingAppend> {
        self.pending.lock().pop()
    }

    fn close(&self) -> bool {
        self.pending.lock().close()
    }

    async fn reject_pending(&self) {
        while let Some(entry) = self.pop() {
            self.reject_or_pass(entry).await;
        }
    }

    async fn reject_or_pass(&self, entry: PendingAppend) {
        if entry.persist {
            entry.reply(Err(StorageError::unavailable(
                "an earlier append has not been settled",
            )));
        } else {
            let _guards = self
                .cache_channels
                .keep(entry.events.iter().map(|event| (event, None)))
                .await;
            self.pass(entry).await;
        }
    }

    /// Releases the events of an entry that is not persisted.
    async fn pass(&self, entry: PendingAppend) {
        for event in &entry.events {
            release(
                &*self.bus,
                &self.tail,
                Arc::clone(event),
                None,
                entry.except,
            )
            .await;
        }
        self.notifications
            .record(&entry.events, entry.mark.as_ref());
        entry.reply(Ok(Vec::new()));
    }

    /// Reads from the store which appends in doubt succeeded. Their events are released now, before later ones of the channel.
    async fn resolve(&self, in_doubt: &mut Vec<InDoubt>) {
        while let Some(app) = in_doubt.first().map(|doubt| doubt.event.app.clone()) {
            let mids: Vec<Mid> = in_doubt
                .iter()
                .take(BATCH)
                .take_while(|doubt| doubt.event.app == app)
                .map(|doubt| doubt.event.mid.clone())
                .collect();
            let Ok(positions) = self.events.positions(&app, &mids).await else {
                return;
            };
            let stored = in_doubt
                .iter()
                .zip(&positions)
                .filter_map(|(doubt, position)| {
                    Some((&doubt.event, Some(position.as_ref()?.serial)))
                });
            let guards = self.cache_channels.keep(stored).await;
            for (doubt, position) in in_doubt.drain(..mids.len()).zip(positions) {
                if position.is_some() {
                    release(&*self.bus, &self.tail, doubt.event, position, doubt.except).await;
                }
            }
            drop(guards);
        }
    }
}
