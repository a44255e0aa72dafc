//! The mailbox of one connection.

use ::core::net::IpAddr;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::activity::{Activity, TickVerdict};
use super::direct::{BatchedWrite, DirectWriter, WriteStats};
use super::item::{CloseReason, MailboxItem};
use super::queue::{MAX_WRITE, MailboxQueue};
use crate::core::hub::broadcast::Broadcast;
use crate::core::model::{SocketId, Timestamp};
use crate::core::ports::DialectId;

/// The mailbox of one connection, bounded in bytes. Queueing never blocks: a mailbox that is full is
/// closed as [`CloseReason::SlowReader`].
#[derive(Debug)]
#[repr(C)]
pub struct Mailbox {
    id: SocketId,
    pub(super) activity: Activity,
    limit: usize,
    pub(super) queue: Mutex<MailboxQueue>,
    pub(super) dialect: DialectId,
    origin: ConnectionOrigin,
}

/// Where a connection came from, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionOrigin {
    /// The client's address; `None`: not known.
    pub address: Option<IpAddr>,
    /// The time of the upgrade.
    pub opened: Timestamp,
}

/// The outcome of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Delivered {
    /// It is queued for the connection's task or for a flush that is scheduled, or it was dropped:
    /// the dialect has no frame for it, or the connection is closed.
    Queued,
    /// It is queued, and the caller must schedule a flush of the mailbox.
    FlushDue,
    /// The queue was written, as far as the socket took it.
    Written(WriteStats),
}

impl Mailbox {
    /// An empty mailbox that holds at most `limit` bytes (0: no bound).
    pub fn new(id: SocketId, dialect: DialectId, limit: u64, origin: ConnectionOrigin) -> Self {
        let limit = if limit == 0 {
            usize::MAX
        } else {
            usize::try_from(limit).unwrap_or(usize::MAX)
        };
        Self {
            id,
            dialect,
            limit,
            origin,
            activity: Activity::default(),
            queue: Mutex::default(),
        }
    }

    /// The dialect in which frames are encoded for it.
    pub fn dialect(&self) -> DialectId {
        self.dialect
    }

    /// Where the connection came from, and when.
    pub fn origin(&self) -> ConnectionOrigin {
        self.origin
    }

    /// For how long nothing was received from the client, to a second.
    pub fn silent(&self) -> Duration {
        self.activity.silent()
    }

    /// The connection that it belongs to.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Queues a frame, unless the dialect has none for the broadcast. While the connection's task
    /// is idle the frame is written here, or with `corked` at the end of the poll.
    pub fn deliver(&self, broadcast: &Arc<Broadcast>, corked: bool) -> Delivered {
        let Some(size) = broadcast.size(self.dialect) else {
            return Delivered::Queued;
        };
        let mut queue = self.queue.lock();
        // A renderer filters where it renders.
        let is_direct = queue.parked && (broadcast.is_unfiltered() || queue.renderer.is_some());
        if !is_direct || queue.bytes + size > self.limit {
            self.enqueue(queue, MailboxItem::Broadcast(Arc::clone(broadcast)), size);
            return Delivered::Queued;
        }
        queue.bytes += size;
        queue
            .items
            .push(MailboxItem::Broadcast(Arc::clone(broadcast)));
        if queue.bytes < MAX_WRITE {
            if queue.flush_scheduled {
                return Delivered::Queued;
            }
            if corked {
                queue.flush_scheduled = true;
                return Delivered::FlushDue;
            }
        }
        Delivered::Written(self.write(queue))
    }

    /// Writes the queue, if the connection's task is still idle.
    pub(super) fn flush(&self) -> WriteStats {
        let mut queue = self.queue.lock();
        queue.flush_scheduled = false;
        if queue.parked && !queue.items.is_empty() {
            self.write(queue)
        } else {
            WriteStats::default()
        }
    }

    fn write(&self, mut queue: MutexGuard<'_, MailboxQueue>) -> WriteStats {
        let stats = queue.write(self.dialect);
        let waker = self.after_write(&mut queue);
        wake(queue, waker);
        stats
    }

    /// Returns the waker of the connection's task, where that must continue.
    fn after_write(&self, queue: &mut MailboxQueue) -> Option<Waker> {
        self.activity.record_sent();
        if queue.parked {
            None
        } else {
            queue.take_waker()
        }
    }

    /// Locks the mailbox for a write together with others. Several frames are appended to `buffer`
    /// for one write.
    pub(super) fn try_lock<'a>(&'a self, buffer: &mut Vec<u8>) -> LockResult<'a> {
        let Some(mut queue) = self.queue.try_lock() else {
            return LockResult::Contended;
        };
        queue.flush_scheduled = false;
        if !queue.parked || queue.items.is_empty() || queue.writer.is_none() {
            return LockResult::NotWritable;
        }
        let begin = buffer.len();
        let mut rendered = None;
        if queue.renderer.is_some() {
            rendered = Some(queue.render(self.dialect, MAX_SHARE, buffer));
            if buffer.len() == begin {
                return LockResult::NotWritable;
            }
        } else {
            queue.copy_frames(self.dialect, MAX_SHARE, buffer);
        }
        LockResult::Locked(Locked {
            mailbox: self,
            queue,
            copied: begin..buffer.len(),
            rendered,
        })
    }

    /// Sets the socket that other tasks may write to while the connection's task is idle.
    pub fn set_writer(&self, writer: Arc<dyn DirectWriter>) {
        self.queue.lock().writer = Some(writer);
    }

    /// The connection's task becomes idle, with nothing left to write: other tasks may write. Where
    /// an item was queued meanwhile they may not, and the task has been woken.
    pub fn park(&self) {
        let mut queue = self.queue.lock();
        queue.parked = queue.writer.is_some() && queue.items.is_empty() && queue.closed.is_none();
    }

    /// From now on only the connection's task writes.
    pub fn unpark(&self) {
        self.queue.lock().parked = false;
    }

    /// The connection's task has queued an answer of this number of bytes for its socket. They are pending until the next
    /// [`Mailbox::poll_take`], and do not count towards the mailbox's limit, because answers have their own.
    pub fn add_answer(&self, bytes: usize) {
        let mut queue = self.queue.lock();
        let added = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .min(u32::MAX - queue.answer);
        queue.answer += added;
        queue.taken += added as usize;
        queue.bytes += added as usize;
    }

    /// Closes the connection as a slow reader after this number of seconds (0: never), unless it is set again before.
    pub fn set_answer_deadline(&self, seconds: u16) {
        self.activity.set_answer_deadline(seconds);
    }

    /// Bytes that are queued or in the connection's write buffer.
    pub fn pending_bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Records that the client responds, for example with a pong.
    pub fn record_received(&self) {
        self.activity.record_received();
    }

    /// Records a message of the client.
    pub fn record_activity(&self) {
        self.activity.record_received();
        self.activity.record_sent();
    }

    /// Closes the connection after this number of seconds (at least 1), unless the client signs in.
    pub fn set_sign_in_deadline(&self, seconds: u32) {
        self.activity.set_sign_in_deadline(seconds.max(1));
    }

    /// The client has signed in.
    pub fn clear_sign_in_deadline(&self) {
        self.activity.set_sign_in_deadline(0);
    }

    /// One second of the node's shared timer. The client is pinged after `activity` silent seconds
    /// and closed after `grace` more; it is closed after `idle` seconds (0: never) without anything
    /// received or sent.
    pub fn tick(&self, activity: u32, grace: u32, idle: u32) {
        match self.activity.tick(activity, grace, idle) {
            TickVerdict::Alive => {}
            TickVerdict::Ping => self.push(MailboxItem::Ping),
            TickVerdict::Close(reason) => self.close(reason),
        }
    }

    /// Queues an item that is not a frame, for the connection's task.
    pub fn push(&self, item: MailboxItem) {
        let size = item.size(self.dialect);
        self.enqueue(self.queue.lock(), item, size);
    }

    fn enqueue(&self, mut queue: MutexGuard<'_, MailboxQueue>, item: MailboxItem, size: usize) {
        queue.parked = false;
        if queue.closed.is_some() {
            return;
        }
        queue.bytes += size;
        if queue.bytes - queue.answer as usize > self.limit {
            queue.closed = Some(CloseReason::SlowReader);
            queue.items = SmallVec::new();
        } else {
            queue.items.push(item);
        }
        let waker = queue.take_waker();
        wake(queue, waker);
    }

    /// Closes the connection; the first reason counts. The task still takes what is queued, unless
    /// the reason is [`CloseReason::SlowReader`].
    pub fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.parked = false;
        queue.closed.get_or_insert(reason);
        let waker = queue.waker.take();
        wake(queue, waker);
    }

    /// Moves the queue into `taken` (which must be empty), and returns the reason to close where
    /// there is one. The bytes count as pending until the next call: until then they are in the
    /// connection's write buffer.
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut Vec<MailboxItem>,
    ) -> Poll<Option<CloseReason>> {
        let mut queue = self.queue.lock();
        queue.bytes -= mem::take(&mut queue.taken);
        queue.answer = 0;
        if queue.items.is_empty() && queue.closed.is_none() {
            queue.register_waker(cx, false);
            return Poll::Pending;
        }
        taken.extend(queue.items.drain(..));
        queue.items.shrink_to_fit();
        queue.taken = queue.bytes;
        if queue.taken > 0 {
            self.activity.record_sent();
        }
        Poll::Ready(queue.closed)
    }

    /// The reason to close, for a connection whose socket is not writable.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut queue = self.queue.lock();
        if let Some(reason) = queue.closed {
            return Poll::Ready(reason);
        }
        queue.register_waker(cx, true);
        Poll::Pending
    }
}

/// Wakes after the lock is released, or the woken task would wait for it.
fn wake(queue: MutexGuard<'_, MailboxQueue>, waker: Option<Waker>) {
    drop(queue);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The most bytes of one connection in a write together with others; the rest is written after it.
const MAX_SHARE: usize = 32 * 1024;

/// The result of locking a mailbox for a batch.
pub(super) enum LockResult<'a> {
    Locked(Locked<'a>),
    /// The queue is empty, or the connection's task writes it.
    NotWritable,
    /// Another thread has the lock. A thread that holds the locks of others must not wait for it.
    Contended,
}

/// A mailbox, locked for one write.
pub(super) struct Locked<'a> {
    mailbox: &'a Mailbox,
    queue: MutexGuard<'a, MailboxQueue>,
    copied: Range<usize>,
    /// With a renderer: the number of events that were copied and removed from the queue.
    rendered: Option<u64>,
}

impl Locked<'_> {
    /// The write, from the frames copied to `buffer` or from the first frame in place.
    pub(super) fn to_write<'a>(&'a self, buffer: &'a [u8]) -> Option<BatchedWrite<'a>> {
        let frames = buffer
            .get(self.copied.clone())
            .filter(|frames| !frames.is_empty());
        let bytes = frames.unwrap_or_else(|| self.queue.first(self.mailbox.dialect));
        Some(BatchedWrite {
            writer: &**self.queue.writer.as_ref()?,
            bytes,
            written: None,
        })
    }

    /// Records that `written` of `wanted` bytes were written; returns the waker to call after the
    /// lock is released.
    pub(super) fn record_written(
        mut self,
        buffer: &[u8],
        wanted: usize,
        written: Option<usize>,
        stats: &mut WriteStats,
    ) -> Option<Waker> {
        let dialect = self.mailbox.dialect;
        let complete = match self.rendered {
            None => self.queue.record_written(dialect, wanted, written, stats),
            Some(events) => {
                let bytes = buffer.get(self.copied.clone()).unwrap_or_default();
                self.queue.record_rendered(events, bytes, written, stats)
            }
        };
        if complete {
            *stats += self.queue.write(dialect);
        }
        self.mailbox.after_write(&mut self.queue)
    }
}
