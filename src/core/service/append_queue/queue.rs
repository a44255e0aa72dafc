//! The publishes that wait for the store, in order.

use std::collections::{HashSet, VecDeque};

use super::pending::PendingAppend;
use crate::core::error::StorageError;

/// The events in one commit at most; a publish to several channels is never split.
pub(super) const BATCH: usize = 1000;

/// The events that may wait for the store. Publishes above it are rejected, which bounds the memory.
const MAX_QUEUED: usize = 100_000;

#[derive(Default)]
pub(super) struct PendingAppends {
    entries: VecDeque<PendingAppend>,
    events: usize,
    /// The queue was shut down: its entries are not processed any more.
    closed: bool,
}

impl PendingAppends {
    pub(super) fn push(&mut self, entry: PendingAppend) -> Result<(), StorageError> {
        if self.closed {
            return Err(StorageError::unavailable("the server is stopping"));
        }
        if self.events + entry.events.len() > MAX_QUEUED {
            return Err(StorageError::unavailable("too many queued publishes"));
        }
        self.events += entry.events.len();
        self.entries.push_back(entry);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<PendingAppend> {
        let entry = self.entries.pop_front()?;
        self.events -= entry.events.len();
        Some(entry)
    }

    /// Removes the entries of the next commit. No `mid` occurs twice in one commit.
    pub(super) fn pop_batch(&mut self) -> Vec<PendingAppend> {
        let mut count = 0;
        let mut batch = Vec::new();
        let mut repeatable = HashSet::new();
        while let Some(entry) = self.entries.front() {
            count += entry.events.len();
            if count > BATCH && !batch.is_empty() {
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
            batch.extend(self.pop());
        }
        batch
    }

    /// Closes the queue where it is empty; returns whether it is closed.
    pub(super) fn close(&mut self) -> bool {
        self.closed = self.entries.is_empty();
        self.closed
    }
}
