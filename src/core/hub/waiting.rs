//! What waits for one connection, and how it goes out.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Waker};

use smallvec::SmallVec;

use super::outlet::{DirectWriter, WriteStats};
use super::parcel::{CloseReason, MailboxItem};
use crate::core::ports::DialectId;

/// Bytes that are gathered for one write at most; a larger frame is written from where it stands.
pub(super) const WRITE: usize = 128 * 1024;

thread_local! {
    /// Several frames for one write.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What waits for one connection, under its mailbox's lock. In this order, with what each delivery needs at the end, next to
/// the lock: a fan-out waits more for memory than for anything else.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct MailboxQueue {
    pub waker: Option<Waker>,
    /// How many of the bytes the connection took.
    pub taken: usize,
    /// Bytes that wait, here or in the connection's write buffer.
    pub bytes: usize,
    /// The way out, where others may use it.
    pub outlet: Option<Arc<dyn DirectWriter>>,
    /// Mostly there is one at most, written at once: it needs no memory of its own.
    pub queue: SmallVec<[MailboxItem; 1]>,
    /// The connection's task rests, and has nothing to write: others may.
    pub parked: bool,
    /// Somebody will flush the mailbox.
    pub noted: bool,
    /// Whoever waits wants to hear of the end alone: its client does not read.
    blocked: bool,
    pub closed: Option<CloseReason>,
}

impl MailboxQueue {
    /// Writes from the queue until it is empty or the client takes no more. In the second case its task goes on with it.
    pub fn write(&mut self, dialect: DialectId) -> WriteStats {
        let mut sent = WriteStats::default();
        while !self.queue.is_empty() {
            let Some(outlet) = &self.outlet else {
                self.parked = false;
                break;
            };
            let (wanted, written) = GATHERED.with_borrow_mut(|gathered| {
                gathered.clear();
                let bytes = match self.gather(dialect, WRITE, gathered) {
                    true => &gathered[..],
                    false => self.first(dialect),
                };
                (bytes.len(), outlet.try_write(bytes))
            });
            if !self.went(dialect, wanted, written, &mut sent) {
                break;
            }
        }
        sent
    }

    /// The first frame that waits.
    pub fn first(&self, dialect: DialectId) -> &[u8] {
        self.queue
            .first()
            .and_then(|parcel| parcel.frame(dialect))
            .unwrap_or_default()
    }

    /// Copies the frames that wait for one write, at most `most` bytes; `false`: the first goes alone, and needs no copy.
    pub fn gather(&self, dialect: DialectId, most: usize, gathered: &mut Vec<u8>) -> bool {
        let mut frames = self
            .queue
            .iter()
            .map_while(|parcel| parcel.frame(dialect))
            .peekable();
        let first = frames.next().unwrap_or_default();
        let mut length = first.len();
        let mut fits = |frame: &&[u8]| {
            length += frame.len();
            length <= most
        };
        let Some(second) = frames.next_if(&mut fits) else {
            return false;
        };
        gathered.extend_from_slice(first);
        gathered.extend_from_slice(second);
        while let Some(frame) = frames.next_if(&mut fits) {
            gathered.extend_from_slice(frame);
        }
        true
    }

    /// Takes off the queue what went out of the `wanted` bytes (`None`: the connection is broken), and adds it to `sent`.
    /// `false`: nobody else may write on; the connection's task must.
    pub fn went(
        &mut self,
        dialect: DialectId,
        wanted: usize,
        written: Option<usize>,
        sent: &mut WriteStats,
    ) -> bool {
        let mut count = written.unwrap_or_default();
        let all = count == wanted && count > 0;
        sent.bytes += count as u64;
        self.bytes = self.bytes.saturating_sub(count);
        let mut whole = 0;
        while let Some(frame) = self
            .queue
            .get(whole)
            .and_then(|parcel| parcel.frame(dialect))
            .filter(|frame| frame.len() <= count)
        {
            (count, whole) = (count - frame.len(), whole + 1);
        }
        sent.frames += whole as u64;
        if whole == self.queue.len() {
            // Given back, so that the next connection finds it warm, and a burst leaves nothing behind.
            self.queue = SmallVec::new();
        } else {
            self.queue.drain(..whole);
        }
        if all {
            return true;
        }
        self.parked = false;
        if count > 0
            && let Some(parcel) = self.queue.first_mut()
            && let Some(frame) = parcel.frame(dialect)
        {
            *parcel = MailboxItem::Rest(frame[count..].into());
        }
        false
    }

    /// Notes who waits; with `blocked` for the end alone.
    pub fn wait(&mut self, cx: &Context<'_>, blocked: bool) {
        self.blocked = blocked;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Whom to wake after something was put in.
    pub fn take_waker(&mut self) -> Option<Waker> {
        if self.blocked && self.closed.is_none() {
            None
        } else {
            self.waker.take()
        }
    }
}
