//! The append queue: events on their way into the store, in order, so that concurrent publishes share a commit.
//!
//! [`AppendQueue::run`] takes the queued publishes (up to [`BATCH`] events), stores them with one commit, releases the
//! stored events to the bus in the order of the queue, and replies to the publishers. An entry that is not persisted passes
//! through the queue only to keep its place behind an earlier publish of the same socket.
//!
//! An append that fails without a definite result is *in doubt*. Until the store has returned whether it was stored, nothing
//! later is appended: persisted publishes are rejected meanwhile, the others pass.

mod commit;
mod pending;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::commit::InDoubt;
pub(super) use self::pending::{PendingAppend, ReplyTo};
use self::queue::{BATCH, PendingAppends};
use super::cache_channels::CacheChannels;
use super::release::release;
use crate::core::error::StorageError;
use crate::core::model::Mid;
use crate::core::ports::{Bus, EventStore};

/// The pause between two attempts to resolve appends in doubt. It is short and constant: publishers are rejected for as
/// long as it lasts.
const RETRY: Duration = Duration::from_millis(100);

/// The publishes of this node that wait for a commit, bounded by the queue's limit of events.
pub struct AppendQueue {
    events: Arc<dyn EventStore>,
    bus: Arc<dyn Bus>,
    cache_channels: Arc<CacheChannels>,
    pending: Mutex<PendingAppends>,
    filled: Notify,
}

impl AppendQueue {
    pub(super) fn new(
        events: Arc<dyn EventStore>,
        bus: Arc<dyn Bus>,
        cache_channels: Arc<CacheChannels>,
    ) -> Self {
        Self {
            events,
            bus,
            cache_channels,
            pending: Mutex::default(),
            filled: Notify::new(),
        }
    }

    /// Appends a publish to the queue. Fails where the queue is full or the server is stopping.
    pub(super) fn enqueue(&self, entry: PendingAppend) -> Result<(), StorageError> {
        self.pending.lock().push(entry)?;
        self.filled.notify_one();
        Ok(())
    }

    /// Stores the queued events and releases them to the bus in order, until `stop` ends and the queue is empty: every
    /// publish that was accepted is stored. Publishes after that are rejected.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut in_doubt: Vec<InDoubt> = Vec::new();
        let mut stopping = false;
        tokio::pin!(stop);
        loop {
            if in_doubt.is_empty() {
                let batch = self.pending.lock().pop_batch();
                if !batch.is_empty() {
                    self.commit(batch, &mut in_doubt).await;
                } else if !stopping {
                    tokio::select! {
                        () = self.filled.notified() => {}
                        () = &mut stop => stopping = true,
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
                    () = tokio::time::sleep(RETRY) => false,
                    () = &mut stop => true,
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
            release(&*self.bus, Arc::clone(event), None, entry.except).await;
        }
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
                    release(&*self.bus, doubt.event, position, doubt.except).await;
                }
            }
            drop(guards);
        }
    }
}
