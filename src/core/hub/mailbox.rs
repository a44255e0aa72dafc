//! Where frames wait for one connection.

use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::broadcast::Broadcast;
use super::outlet::{self, DirectWriter, Write, WriteStats};
use super::parcel::{CloseReason, MailboxItem};
use super::waiting::{MailboxQueue, WRITE};
use crate::core::model::SocketId;
use crate::core::ports::DialectId;

/// Bytes that a parcel counts which is not a frame: about its memory.
const TOLD: usize = 128;

/// Where frames wait for one connection, counted in bytes. Whoever puts something in never waits: one that is full is
/// closed, with its reason.
#[derive(Debug)]
#[repr(C)]
pub struct Mailbox {
    id: SocketId,
    beat: Activity,
    limit: usize,
    inner: Mutex<MailboxQueue>,
    dialect: DialectId,
}

/// When a connection was last active, in ticks of the node's shared timer.
#[derive(Debug, Default)]
struct Activity {
    /// Something came since the timer last looked.
    heard: AtomicBool,
    /// Something was sent since the timer last looked.
    sent: AtomicBool,
    /// Seconds in which nothing came.
    silent: AtomicU32,
    /// Seconds in which nothing came or was sent, pings aside.
    idle: AtomicU32,
    /// Seconds that are left for signing in; 0: no need.
    unsigned: AtomicU32,
}

impl Mailbox {
    /// An empty mailbox that holds at most `limit` bytes (0: no bound).
    pub fn new(id: SocketId, dialect: DialectId, limit: u64) -> Self {
        let limit = if limit == 0 {
            usize::MAX
        } else {
            usize::try_from(limit).unwrap_or(usize::MAX)
        };
        Self {
            id,
            dialect,
            limit,
            beat: Activity::default(),
            inner: Mutex::default(),
        }
    }

    /// The dialect that the connection speaks.
    pub fn dialect(&self) -> DialectId {
        self.dialect
    }

    /// The connection that it belongs to.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Puts a frame in, unless the connection's dialect does not say this.
    /// While the connection's task rests, it is written right here, or at the end of the [`Corked`](super::Corked) turn.
    pub fn deliver(self: &Arc<Self>, delivery: &Arc<Broadcast>) -> WriteStats {
        let Some(size) = delivery.size(self.dialect) else {
            return WriteStats::default();
        };
        let mut inner = self.inner.lock();
        if !inner.parked || !delivery.is_unfiltered() || inner.bytes + size > self.limit {
            self.put(inner, MailboxItem::Broadcast(Arc::clone(delivery)), size);
            return WriteStats::default();
        }
        inner.bytes += size;
        inner
            .queue
            .push(MailboxItem::Broadcast(Arc::clone(delivery)));
        if inner.bytes < WRITE && (inner.noted || outlet::later(self)) {
            inner.noted = true;
            return WriteStats::default();
        }
        self.write(inner)
    }

    /// Writes what waits, if the connection's task still rests.
    pub(super) fn flush(&self) -> WriteStats {
        let mut inner = self.inner.lock();
        inner.noted = false;
        if inner.parked && !inner.queue.is_empty() {
            self.write(inner)
        } else {
            WriteStats::default()
        }
    }

    fn write(&self, mut inner: MutexGuard<'_, MailboxQueue>) -> WriteStats {
        let sent = inner.write(self.dialect);
        let waker = self.written(&mut inner);
        wake(inner, waker);
        sent
    }

    /// Answers whom to wake: the connection's task, where it must go on.
    fn written(&self, inner: &mut MailboxQueue) -> Option<Waker> {
        self.beat.sent.store(true, Relaxed);
        if inner.parked {
            None
        } else {
            inner.take_waker()
        }
    }

    /// Prepares to write what waits, together with others: frames that go in one write are put behind `gathered`.
    pub(super) fn open<'a>(&'a self, gathered: &mut Vec<u8>) -> Locked<'a> {
        let Some(mut inner) = self.inner.try_lock() else {
            return Locked::Locked;
        };
        inner.noted = false;
        if !inner.parked || inner.queue.is_empty() || inner.outlet.is_none() {
            return Locked::Nothing;
        }
        let begin = gathered.len();
        inner.gather(self.dialect, TOGETHER, gathered);
        Locked::Open(Opened {
            mailbox: self,
            inner,
            gathered: begin..gathered.len(),
        })
    }

    /// Says by which way others may write while the connection's task rests.
    pub fn set_outlet(&self, outlet: Arc<dyn DirectWriter>) {
        self.inner.lock().outlet = Some(outlet);
    }

    /// The connection's task rests from now on, with nothing left to write: others may write for it. Where something came
    /// meanwhile, they may not; the task has been woken then.
    pub fn park(&self) {
        let mut inner = self.inner.lock();
        inner.parked = inner.outlet.is_some() && inner.queue.is_empty() && inner.closed.is_none();
    }

    /// The connection's task writes for itself from now on.
    pub fn unpark(&self) {
        self.inner.lock().parked = false;
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Notes that the client showed that it is there.
    pub fn heard(&self) {
        self.beat.heard.store(true, Relaxed);
    }

    /// Notes that the client said something of its own.
    pub fn active(&self) {
        self.heard();
        self.beat.sent.store(true, Relaxed);
    }

    /// Gives the client so many seconds (at least 1) to sign in.
    pub fn expect_sign_in(&self, seconds: u32) {
        self.beat.unsigned.store(seconds.max(1), Relaxed);
    }

    /// Notes that the client has signed in.
    pub fn signed_in(&self) {
        self.beat.unsigned.store(0, Relaxed);
    }

    /// One second of the node's shared timer. After `activity` silent seconds the client is pinged, after `grace` more
    /// it is given up; after `idle` seconds (0: never) without anything said or sent it is closed.
    pub fn tick(&self, activity: u32, grace: u32, idle: u32) {
        let beat = &self.beat;
        if beat.unsigned.load(Relaxed) != 0 && beat.unsigned.fetch_sub(1, Relaxed) == 1 {
            self.close(CloseReason::NotSignedIn);
        }
        if beat.sent.swap(false, Relaxed) {
            beat.idle.store(0, Relaxed);
        } else if idle != 0 && beat.idle.fetch_add(1, Relaxed) + 1 >= idle {
            self.close(CloseReason::Idle);
        }
        if beat.heard.swap(false, Relaxed) {
            beat.silent.store(0, Relaxed);
            return;
        }
        let silent = beat.silent.fetch_add(1, Relaxed) + 1;
        if silent == activity {
            self.tell(MailboxItem::Ping);
        } else if silent >= activity.saturating_add(grace) {
            self.close(CloseReason::NoPong);
        }
    }

    /// Puts something in that is not a frame.
    pub fn tell(&self, parcel: MailboxItem) {
        // A ping says nothing, and so must not count as something that is sent.
        let size = if matches!(parcel, MailboxItem::Ping) {
            0
        } else {
            TOLD
        };
        self.put(self.inner.lock(), parcel, size);
    }

    fn put(&self, mut inner: MutexGuard<'_, MailboxQueue>, parcel: MailboxItem, size: usize) {
        inner.parked = false;
        if inner.closed.is_some() {
            return;
        }
        inner.bytes += size;
        if inner.bytes > self.limit {
            inner.closed = Some(CloseReason::SlowReader);
            inner.queue = SmallVec::new();
        } else {
            inner.queue.push(parcel);
        }
        let waker = inner.take_waker();
        wake(inner, waker);
    }

    /// Ends the connection; the first reason counts. What waits is still taken first, unless the reader was too slow.
    pub fn close(&self, reason: CloseReason) {
        let mut inner = self.inner.lock();
        inner.parked = false;
        inner.closed.get_or_insert(reason);
        let waker = inner.waker.take();
        wake(inner, waker);
    }

    /// Takes all that has gathered into `taken` (which must be empty), with the reason to close where there is one. What
    /// was taken counts as waiting until the next call: it stands in the connection's write buffer until then.
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut Vec<MailboxItem>,
    ) -> Poll<Option<CloseReason>> {
        let mut inner = self.inner.lock();
        inner.bytes -= mem::take(&mut inner.taken);
        if inner.queue.is_empty() && inner.closed.is_none() {
            inner.wait(cx, false);
            return Poll::Pending;
        }
        taken.extend(inner.queue.drain(..));
        inner.queue.shrink_to_fit();
        inner.taken = inner.bytes;
        if inner.taken > 0 {
            self.beat.sent.store(true, Relaxed);
        }
        Poll::Ready(inner.closed)
    }

    /// The reason to close, for a connection that cannot take anything now.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut inner = self.inner.lock();
        if let Some(reason) = inner.closed {
            return Poll::Ready(reason);
        }
        inner.wait(cx, true);
        Poll::Pending
    }
}

/// Wakes after the lock is gone, or the woken task would meet it.
fn wake(inner: MutexGuard<'_, MailboxQueue>, waker: Option<Waker>) {
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Bytes of one connection in a write together with others at most; what waits beyond that goes out after it.
const TOGETHER: usize = 32 * 1024;

/// Whether a mailbox can be written from now.
pub(super) enum Locked<'a> {
    Open(Opened<'a>),
    /// It has nothing, or its connection's task is at it.
    Nothing,
    /// Somebody else has the lock. Whoever has opened others must not wait for it.
    Locked,
}

/// A mailbox, locked for one write.
pub(super) struct Opened<'a> {
    mailbox: &'a Mailbox,
    inner: MutexGuard<'a, MailboxQueue>,
    gathered: Range<usize>,
}

impl Opened<'_> {
    /// What is to be written.
    pub fn to_write<'a>(&'a self, gathered: &'a [u8]) -> Option<Write<'a>> {
        let frames = gathered
            .get(self.gathered.clone())
            .filter(|frames| !frames.is_empty());
        let bytes = frames.unwrap_or_else(|| self.inner.first(self.mailbox.dialect));
        Some(Write {
            outlet: &**self.inner.outlet.as_ref()?,
            bytes,
            written: None,
        })
    }

    /// Notes what went out of so many bytes; answers whom to wake.
    pub fn went(
        mut self,
        wanted: usize,
        written: Option<usize>,
        sent: &mut WriteStats,
    ) -> Option<Waker> {
        let dialect = self.mailbox.dialect;
        if self.inner.went(dialect, wanted, written, sent) {
            *sent += self.inner.write(dialect);
        }
        self.mailbox.written(&mut self.inner)
    }
}
