//! Mailboxes that were filled during a turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::mailbox::{Locked, Mailbox};
use super::outlet::{BatchWriter, WriteStats};

/// Takes the mailboxes that were filled during a turn.
pub trait FlushScheduler: Send + Sync {
    /// Writes what they hold, now or soon.
    fn flush(&self, batch: FlushBatch);
}

/// Mailboxes that were filled and not emptied yet. They are emptied at the latest when this is dropped.
#[derive(Debug, Default)]
pub struct FlushBatch(VecDeque<Arc<Mailbox>>);

/// Bytes gathered for writes that are kept for the next ones.
const KEPT: usize = 128 * 1024;

thread_local! {
    /// Frames of which several go to one connection.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl FlushBatch {
    pub(super) fn new(filled: Vec<Arc<Mailbox>>) -> Self {
        Self(filled.into())
    }

    /// How many mailboxes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the first `count`, or all if there are no more.
    pub fn take(&mut self, count: usize) -> Self {
        Self(self.0.drain(..count.min(self.0.len())).collect())
    }

    /// Adds others behind these.
    pub fn append(&mut self, mut others: Self) {
        self.0.extend(mem::take(&mut others.0));
    }

    /// Writes what they hold, all at once.
    pub fn flush(mut self, outlets: &dyn BatchWriter) -> WriteStats {
        let mailboxes = mem::take(&mut self.0);
        let mut sent = WriteStats::default();
        let mut locked = Vec::new();
        let woken: Vec<_> = GATHERED.with_borrow_mut(|gathered| {
            let mut opened = Vec::with_capacity(mailboxes.len());
            for mailbox in &mailboxes {
                match mailbox.open(gathered) {
                    Locked::Open(one) => opened.push(one),
                    Locked::Nothing => {}
                    Locked::Locked => locked.push(mailbox),
                }
            }
            let mut writes: Vec<_> = opened
                .iter()
                .filter_map(|one| one.to_write(gathered))
                .collect();
            outlets.write(&mut writes);
            let written: Vec<_> = writes
                .iter()
                .map(|write| (write.bytes.len(), write.written))
                .collect();
            let ended = opened.into_iter().zip(written);
            let woken = ended
                .filter_map(|(one, (wanted, written))| one.went(wanted, written, &mut sent))
                .collect();
            gathered.clear();
            gathered.shrink_to(KEPT);
            woken
        });
        // After the locks are gone, or the woken tasks would meet them.
        for waker in woken {
            waker.wake();
        }
        for mailbox in locked {
            sent += mailbox.flush();
        }
        sent
    }
}

impl Drop for FlushBatch {
    fn drop(&mut self) {
        for mailbox in mem::take(&mut self.0) {
            mailbox.flush();
        }
    }
}
