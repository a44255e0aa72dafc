//! The publishes that wait for the store, in order.

use std::collections::HashSet;
use std::time::Duration;

use super::EnqueueError;
use super::pending::PendingAppend;
use crate::core::fair_queue::{EntrySize, FairQueue, QueueBounds, QueueFull};
use crate::core::model::AppIdent;

/// The events in one commit at most.
pub(super) const BATCH: usize = 1000;

/// The bytes that one commit should write, at least and at most: as many as the store writes in [`COMMIT_TIME`]. A publish of
/// more bytes, to several channels, is divided between commits; all others are written by one. So another app's publish waits
/// for a commit of this size, whatever an app publishes.
pub(super) const MIN_COMMIT_BYTES: usize = 256 * 1024;
pub(super) const MAX_COMMIT_BYTES: usize = 1 << 20;
pub(super) const COMMIT_TIME: Duration = Duration::from_millis(50);

/// Bounded by the bytes that the store is going to write, by app and in all. A publish above an app's bound is accepted
/// where nothing else of the app waits.
pub(super) struct PendingAppends {
    entries: FairQueue<PendingAppend>,
    /// The queue was shut down: its entries are not processed any more.
    closed: bool,
}

impl PendingAppends {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self {
            entries: FairQueue::new(bounds),
            closed: false,
        }
    }

    /// Appends a publish.
    pub(super) fn push(
        &mut self,
        app: &AppIdent,
        entry: PendingAppend,
    ) -> Result<(), EnqueueError> {
        if self.closed {
            return Err(EnqueueError::Stopping);
        }
        let size = size(&entry, self.entries.app_bound());
        let pushed = self.entries.push(app, entry, size);
        pushed.map_err(|QueueFull| EnqueueError::Full)
    }

    /// Appends publishes of one app: all or none.
    pub(super) fn push_all(
        &mut self,
        app: &AppIdent,
        entries: Vec<PendingAppend>,
    ) -> Result<(), EnqueueError> {
        if self.closed {
            return Err(EnqueueError::Stopping);
        }
        let bound = self.entries.app_bound();
        let sizes: Vec<EntrySize> = entries.iter().map(|entry| size(entry, bound)).collect();
        let bytes: usize = sizes.iter().map(|size| size.bytes).sum();
        if !self.entries.has_space(app, bytes.min(bound)) {
            return Err(EnqueueError::Full);
        }
        for (entry, size) in entries.into_iter().zip(sizes) {
            self.entries.push_accepted(app, entry, size);
        }
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<PendingAppend> {
        self.entries.pop()
    }

    /// Removes the rest of a publish whose first part was taken by [`PendingAppends::pop_batch`].
    pub(super) fn pop_rest(&mut self, part: &PendingAppend) -> Option<PendingAppend> {
        self.entries.pop_of(part.app()?)
    }

    /// Removes the entries of the next commit, at most `limit` bytes. No `mid` occurs twice in one commit.
    pub(super) fn pop_batch(&mut self, limit: usize) -> Vec<PendingAppend> {
        let (mut events, mut bytes) = (0, 0);
        let mut batch = Vec::new();
        let mut repeatable = HashSet::new();
        let bound = self.entries.app_bound();
        while let Some((entry, entry_size)) = self.entries.peek() {
            // Rows have commits of their own: one that is not there any more undoes the others, but no other publish.
            let first: Option<&PendingAppend> = batch.first();
            if first.is_some_and(|first| first.rows.is_empty() != entry.rows.is_empty()) {
                break;
            }
            events += entry.events.len();
            bytes += entry_size.work;
            if (events > BATCH || bytes > limit) && !batch.is_empty() {
                break;
            }
            if entry_size.work > limit
                && let Some(part) = entry.split_off_first(limit)
            {
                let left = size(entry, bound);
                self.entries.shrink(left);
                batch.push(part);
                break;
            }
            if entry.repeatable
                && !entry
                    .events
                    .iter()
                    .all(|event| repeatable.insert(event.mid.clone()))
            {
                break;
            }
            batch.extend(self.entries.pop());
        }
        batch
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes()
    }

    /// Closes the queue where it is empty; returns whether it is closed.
    pub(super) fn close(&mut self) -> bool {
        self.closed = self.entries.is_empty();
        self.closed
    }
}

/// One payload on many channels is held once, and written once for each.
fn size(entry: &PendingAppend, bound: usize) -> EntrySize {
    let work = entry.bytes();
    EntrySize {
        bytes: bound.min(work),
        work,
    }
}
