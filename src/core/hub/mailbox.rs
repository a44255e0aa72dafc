//! Where frames wait for one connection.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

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
}

/// A publish has left the append queue; told to the socket that sent it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What the publisher called it.
    pub reference: Option<String>,
    /// Its channel.
    pub channel: ChannelName,
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
}

/// Where frames wait for one connection, counted in bytes. Whoever puts something in never waits: one that is full is
/// closed, with its reason.
#[derive(Debug)]
pub struct Mailbox {
    id: SocketId,
    dialect: DialectId,
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Vec<Parcel>,
    /// Bytes that wait, here or in the connection's write buffer.
    bytes: usize,
    /// How many of them the connection took.
    taken: usize,
    waker: Option<std::task::Waker>,
    closed: Option<CloseReason>,
}

impl Mailbox {
    /// An empty mailbox that holds at most `limit` bytes (0: no bound).
    pub fn new(id: SocketId, dialect: DialectId, limit: u64) -> Self {
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        Self { id, dialect, limit, inner: Mutex::default() }
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

    /// Puts something in that is not a frame; the number of these is bounded by what causes them.
    pub fn tell(&self, parcel: Parcel) {
        self.put(parcel, 0);
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
        let waker = inner.waker.take();
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
            match &mut inner.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        mem::swap(&mut inner.queue, taken);
        inner.taken = inner.bytes;
        Poll::Ready(inner.closed)
    }
}
