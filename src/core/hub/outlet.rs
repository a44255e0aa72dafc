//! Writing for connections whose own tasks rest.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::mem;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::mailbox::Mailbox;

/// A connection's way out that others may use while its own task rests: waking a task costs more than a small write.
pub trait Outlet: Send + Sync + Debug {
    /// Writes as much as can be written at once, and answers how many bytes that was. `None`: the connection is broken.
    fn try_write(&self, bytes: &[u8]) -> Option<usize>;
}

/// Frames that went out, and their bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many frames.
    pub frames: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}

/// Takes the mailboxes that were filled during a turn.
pub trait Flusher: Send + Sync {
    /// Writes what they hold, now or soon.
    fn flush(&self, batch: Batch);
}

/// Mailboxes that were filled and not emptied yet. They are emptied at the latest when this is dropped.
#[derive(Debug, Default)]
pub struct Batch(VecDeque<Arc<Mailbox>>);

impl Batch {
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

    /// Writes what they hold.
    pub fn flush(mut self) -> Sent {
        self.empty()
    }

    fn empty(&mut self) -> Sent {
        let mut sent = Sent::default();
        for mailbox in mem::take(&mut self.0) {
            sent += mailbox.flush();
        }
        sent
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.empty();
    }
}

thread_local! {
    static CORKED: Cell<bool> = const { Cell::new(false) };
    static FILLED: RefCell<Vec<Arc<Mailbox>>> = const { RefCell::new(Vec::new()) };
}

/// Notes that a mailbox was filled; `false`: nobody will empty it at the end of this turn.
pub(super) fn later(mailbox: &Arc<Mailbox>) -> bool {
    let corked = CORKED.get();
    if corked {
        FILLED.with_borrow_mut(|filled| filled.push(Arc::clone(mailbox)));
    }
    corked
}

pin_project! {
    /// A future that fills mailboxes. What it puts in during one turn goes out at the end of that turn: several frames to
    /// one connection in one write.
    pub struct Corked<F> {
        #[pin]
        inner: F,
        flusher: Arc<dyn Flusher>,
    }
}

impl<F> Corked<F> {
    /// Wraps `inner`; `flusher` takes what it filled.
    pub fn new(inner: F, flusher: Arc<dyn Flusher>) -> Self {
        Self { inner, flusher }
    }
}

/// Ends a turn, even one that panicked.
struct Turn<'a>(Option<&'a dyn Flusher>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(flusher) = self.0 else { return };
        CORKED.set(false);
        let filled = FILLED.take();
        if !filled.is_empty() {
            flusher.flush(Batch(filled.into()));
        }
    }
}

impl<F: Future> Future for Corked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Within another's turn, that one's end is soon enough.
        let is_outer = !CORKED.replace(true);
        let _turn = Turn(is_outer.then_some(&**this.flusher));
        this.inner.poll(cx)
    }
}
