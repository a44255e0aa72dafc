//! Mailboxes that were filled during a poll, written together.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::direct::{BatchWriter, WriteStats};
use super::mailbox::{LockResult, Mailbox};

/// Mailboxes that were filled and not flushed yet. Those that are left when it is dropped are
/// flushed then.
#[derive(Debug, Default)]
pub struct FlushBatch(VecDeque<Arc<Mailbox>>);

/// Bytes of the thread's buffer that are kept for the next batch.
const KEPT_BUFFER: usize = 128 * 1024;

thread_local! {
    /// Copies of the frames of connections to which several go.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl FlushBatch {
    pub(super) fn new(filled: Vec<Arc<Mailbox>>) -> Self {
        Self(filled.into())
    }

    /// The number of mailboxes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no mailbox.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the first `count` mailboxes, or all if there are fewer.
    pub fn take(&mut self, count: usize) -> Self {
        Self(self.0.drain(..count.min(self.0.len())).collect())
    }

    /// Appends the mailboxes of another batch.
    pub fn append(&mut self, mut other: Self) {
        self.0.extend(mem::take(&mut other.0));
    }

    /// Writes the queues of the mailboxes in one call of `writer`.
    pub fn flush(mut self, writer: &dyn BatchWriter) -> WriteStats {
        let mailboxes = mem::take(&mut self.0);
        let mut stats = WriteStats::default();
        let mut contended = Vec::new();
        let wakers: Vec<_> = BUFFER.with_borrow_mut(|buffer| {
            let mut locked = Vec::with_capacity(mailboxes.len());
            for mailbox in &mailboxes {
                match mailbox.try_lock(buffer) {
                    LockResult::Locked(one) => locked.push(one),
                    LockResult::NotWritable => {}
                    LockResult::Contended => contended.push(mailbox),
                }
            }
            let mut writes: Vec<_> = locked
                .iter()
                .filter_map(|one| one.to_write(buffer))
                .collect();
            writer.write(&mut writes);
            let results: Vec<_> = writes
                .iter()
                .map(|write| (write.bytes.len(), write.written))
                .collect();
            let finished = locked.into_iter().zip(results);
            let wakers = finished
                .filter_map(|(one, (wanted, written))| {
                    one.record_written(buffer, wanted, written, &mut stats)
                })
                .collect();
            buffer.clear();
            buffer.shrink_to(KEPT_BUFFER);
            wakers
        });
        // After the locks are released, or the woken tasks would wait for them.
        for waker in wakers {
            waker.wake();
        }
        for mailbox in contended {
            stats += mailbox.flush();
        }
        stats
    }
}

impl Drop for FlushBatch {
    fn drop(&mut self) {
        for mailbox in mem::take(&mut self.0) {
            mailbox.flush();
        }
    }
}
