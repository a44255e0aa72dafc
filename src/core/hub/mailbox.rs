//! Where frames wait for one connection.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::delivery::Delivery;
use crate::core::model::{ChannelName, Mid, SocketId, Timestamp};
use crate::core::ports::DialectId;

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// More bytes waited than the limit allows.
    SlowReader,
    /// The server is stopping.
    Stopping,
    /// The app was disabled.
    AppDisabled,
    /// The app was deleted.
    AppDeleted,
    /// A ping was not answered.
    NoPong,
    /// Nothing was said or heard for too long.
    Idle,
    /// The client did not sign in in time.
    NotSignedIn,
    /// The user's connections were ended.
    Terminated,
}

/// A publish has left the append queue; told to the socket that sent it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What the publisher called it.
    pub reference: Option<String>,
    /// Its channel.
    pub channel: ChannelName,
    /// Its event's name.
    pub event: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a publish that went through the append queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Stored, with this serial, at this time.
    Stored(Mid, u64, Timestamp),
    /// Not stored, or not known to be.
    Failed,
    /// It was not to be stored, and has been delivered.
    Passed,
}

/// One thing that waits.
#[derive(Debug)]
pub enum Parcel {
    /// A frame for the client.
    Delivery(Arc<Delivery>),
    /// A publish of this socket has been settled.
    Receipt(Box<Receipt>),
    /// The user's persistent subscriptions changed; the socket is on this personal channel.
    AliasesChanged(Box<ChannelName>),
    /// The app's limit for messages changed.
    LimitChanged,
    /// The last event of this cache channel was read: it covers what stands before this.
    CacheRead(Box<ChannelName>),
    /// The client has been silent: ask whether it is there.
    Ping,
}

/// Bytes that a parcel counts which is not a frame: about its memory.
const TOLD: usize = 128;

/// Where frames wait for one connection, counted in bytes. Whoever puts something in never waits: one that is full is
/// closed, with its reason.
#[derive(Debug)]
pub struct Mailbox {
    id: SocketId,
    dialect: DialectId,
    limit: usize,
    beat: Beat,
    inner: Mutex<Inner>,
}

/// When a connection was last active, in ticks of the node's shared timer.
#[derive(Debug, Default)]
struct Beat {
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

#[derive(Debug, Default)]
struct Inner {
    queue: Vec<Parcel>,
    /// Bytes that wait, here or in the connection's write buffer.
    bytes: usize,
    /// How many of them the connection took.
    taken: usize,
    waker: Option<Waker>,
    /// Whoever waits wants to hear of the end alone: its client does not read.
    blocked: bool,
    closed: Option<CloseReason>,
}

impl Mailbox {
    /// An empty mailbox that holds at most `limit` bytes (0: no bound).
    pub fn new(id: SocketId, dialect: DialectId, limit: u64) -> Self {
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        Self { id, dialect, limit, beat: Beat::default(), inner: Mutex::default() }
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
    pub fn deliver(&self, delivery: &Arc<Delivery>) {
        if let Some(size) = delivery.size(self.dialect) {
            self.put(Parcel::Delivery(Arc::clone(delivery)), size);
        }
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
            self.tell(Parcel::Ping);
        } else if silent >= activity.saturating_add(grace) {
            self.close(CloseReason::NoPong);
        }
    }

    /// Puts something in that is not a frame.
    pub fn tell(&self, parcel: Parcel) {
        // A ping says nothing, and so must not count as something that is sent.
        let size = if matches!(parcel, Parcel::Ping) { 0 } else { TOLD };
        self.put(parcel, size);
    }

    fn put(&self, parcel: Parcel, size: usize) {
        let mut inner = self.inner.lock();
        if inner.closed.is_some() {
            return;
        }
        inner.bytes += size;
        if inner.bytes > self.limit {
            inner.closed = Some(CloseReason::SlowReader);
            inner.queue = Vec::new();
        } else {
            inner.queue.push(parcel);
        }
        let waker = inner.take_waker();
        // Woken after the lock is gone, or the woken task would meet it.
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the connection; the first reason counts. What waits is still taken first, unless the reader was too slow.
    pub fn close(&self, reason: CloseReason) {
        let mut inner = self.inner.lock();
        inner.closed.get_or_insert(reason);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes all that has gathered into `taken` (which must be empty), with the reason to close where there is one. What
    /// was taken counts as waiting until the next call: it stands in the connection's write buffer until then.
    pub fn poll_take(&self, cx: &mut Context<'_>, taken: &mut Vec<Parcel>) -> Poll<Option<CloseReason>> {
        let mut inner = self.inner.lock();
        inner.bytes -= mem::take(&mut inner.taken);
        if inner.queue.is_empty() && inner.closed.is_none() {
            inner.wait(cx, false);
            return Poll::Pending;
        }
        mem::swap(&mut inner.queue, taken);
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

impl Inner {
    fn wait(&mut self, cx: &Context<'_>, blocked: bool) {
        self.blocked = blocked;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Whom to wake after something was put in.
    fn take_waker(&mut self) -> Option<Waker> {
        if self.blocked && self.closed.is_none() { None } else { self.waker.take() }
    }
}
