//! The queue of one connection, and how it is written.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Waker};

use smallvec::SmallVec;

use super::direct::{DirectWriter, WriteStats};
use super::item::{CloseReason, MailboxItem};
use super::renderer::EventRenderer;
use crate::core::ports::DialectId;

/// The most bytes that are copied together for one write; a larger frame is written without a copy.
pub(super) const MAX_WRITE: usize = 128 * 1024;

thread_local! {
    /// Copies of several frames for one write.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The queue of one connection, under its mailbox's lock. The fields are in this order so that
/// those that each delivery needs share a cache line with the lock: a fan-out is bound by memory
/// latency.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct MailboxQueue {
    pub waker: Option<Waker>,
    /// How many of `bytes` the connection's task has taken.
    pub taken: usize,
    /// Bytes that are pending, here or in the connection's write buffer.
    pub bytes: usize,
    /// The socket for direct writes; `None`: only the connection's task writes.
    pub writer: Option<Arc<dyn DirectWriter>>,
    /// Mostly at most one, written at once: it needs no allocation.
    pub items: SmallVec<[MailboxItem; 1]>,
    /// The connection's task is idle and has nothing to write: others may write.
    pub parked: bool,
    /// A flush of the mailbox is scheduled.
    pub flush_scheduled: bool,
    /// The socket is not writable: wake the task only on close.
    wake_on_close_only: bool,
    pub closed: Option<CloseReason>,
    /// How many of `bytes` are an answer, which has a bound of its own.
    pub answer: u32,
    /// Renders the events of a connection that does not share their bytes with others. Boxed,
    /// because most connections have none.
    pub renderer: Option<Box<Arc<dyn EventRenderer>>>,
}

impl MailboxQueue {
    /// Writes from the queue until it is empty or the socket is full. In the second case the
    /// connection's task continues.
    pub(super) fn write(&mut self, dialect: DialectId) -> WriteStats {
        let mut stats = WriteStats::default();
        while !self.items.is_empty() {
            let Some(writer) = &self.writer else {
                self.parked = false;
                break;
            };
            if self.renderer.is_some() {
                let complete = BUFFER.with_borrow_mut(|buffer| {
                    buffer.clear();
                    let events = self.render(dialect, MAX_WRITE, buffer);
                    if buffer.is_empty() {
                        return true;
                    }
                    let written = self.writer.as_ref().map(|writer| writer.try_write(buffer));
                    self.record_rendered(events, buffer, written.flatten(), &mut stats)
                });
                if !complete {
                    break;
                }
                continue;
            }
            let (wanted, written) = BUFFER.with_borrow_mut(|buffer| {
                buffer.clear();
                let bytes = match self.copy_frames(dialect, MAX_WRITE, buffer) {
                    true => &buffer[..],
                    false => self.first(dialect),
                };
                (bytes.len(), writer.try_write(bytes))
            });
            if !self.record_written(dialect, wanted, written, &mut stats) {
                break;
            }
        }
        stats
    }

    /// Renders the events at the front of the queue and removes them, until `buffer` has `most` more
    /// bytes. Returns the number of events.
    pub(super) fn render(&mut self, dialect: DialectId, most: usize, buffer: &mut Vec<u8>) -> u64 {
        let Some(renderer) = &self.renderer else {
            return 0;
        };
        let begin = buffer.len();
        let (mut events, mut removed) = (0, 0);
        for item in &self.items {
            let MailboxItem::Broadcast(broadcast) = item else {
                break;
            };
            if buffer.len() - begin >= most {
                break;
            }
            events += renderer.render(broadcast, buffer);
            self.bytes = self.bytes.saturating_sub(item.size(dialect));
            removed += 1;
        }
        if removed == self.items.len() {
            self.items = SmallVec::new();
        } else {
            self.items.drain(..removed);
        }
        events
    }

    /// Records a write of rendered events, as [`MailboxQueue::record_written`] does: bytes that were
    /// not written become the first item.
    pub(super) fn record_rendered(
        &mut self,
        events: u64,
        bytes: &[u8],
        written: Option<usize>,
        stats: &mut WriteStats,
    ) -> bool {
        let count = written.unwrap_or_default();
        stats.bytes += count as u64;
        stats.frames += events;
        if count == bytes.len() {
            return true;
        }
        self.parked = false;
        let rest: Box<[u8]> = bytes.get(count..).unwrap_or_default().into();
        self.bytes += rest.len();
        self.items.insert(0, MailboxItem::PartialFrame(rest));
        false
    }

    /// The first frame of the queue.
    pub(super) fn first(&self, dialect: DialectId) -> &[u8] {
        self.items
            .first()
            .and_then(|item| item.frame(dialect))
            .unwrap_or_default()
    }

    /// Copies the next frames into `buffer` for one write, at most `most` bytes. `false`: the first
    /// frame is written alone, without a copy.
    pub(super) fn copy_frames(
        &self,
        dialect: DialectId,
        most: usize,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let mut frames = self
            .items
            .iter()
            .map_while(|item| item.frame(dialect))
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
        buffer.extend_from_slice(first);
        buffer.extend_from_slice(second);
        while let Some(frame) = frames.next_if(&mut fits) {
            buffer.extend_from_slice(frame);
        }
        true
    }

    /// Removes the `written` bytes from the queue (`None`: the connection is broken) and adds them to
    /// `stats`. `false`: fewer than `wanted`, so only the connection's task may write the rest.
    pub(super) fn record_written(
        &mut self,
        dialect: DialectId,
        wanted: usize,
        written: Option<usize>,
        stats: &mut WriteStats,
    ) -> bool {
        let mut count = written.unwrap_or_default();
        let complete = count == wanted && count > 0;
        stats.bytes += count as u64;
        self.bytes = self.bytes.saturating_sub(count);
        let mut whole = 0;
        while let Some(frame) = self
            .items
            .get(whole)
            .and_then(|item| item.frame(dialect))
            .filter(|frame| frame.len() <= count)
        {
            (count, whole) = (count - frame.len(), whole + 1);
        }
        stats.frames += whole as u64;
        if whole == self.items.len() {
            // Freed, so that the next connection gets warm memory, and a burst keeps none.
            self.items = SmallVec::new();
        } else {
            self.items.drain(..whole);
        }
        if complete {
            return true;
        }
        self.parked = false;
        if count > 0
            && let Some(item) = self.items.first_mut()
            && let Some(frame) = item.frame(dialect)
        {
            *item = MailboxItem::PartialFrame(frame[count..].into());
        }
        false
    }

    /// Registers the task to wake: for any item, or with `on_close_only` only on close.
    pub(super) fn register_waker(&mut self, cx: &Context<'_>, on_close_only: bool) {
        self.wake_on_close_only = on_close_only;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Takes the waker after an item was queued.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        if self.wake_on_close_only && self.closed.is_none() {
            None
        } else {
            self.waker.take()
        }
    }
}
