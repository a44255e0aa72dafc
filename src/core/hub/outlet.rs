//! Writing for connections whose own tasks rest.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::batch::{FlushBatch, FlushScheduler};
use super::mailbox::Mailbox;

/// A connection's way out that others may use while its own task rests: waking a task costs more than a small write.
pub trait DirectWriter: Send + Sync + Debug {
    /// Writes as much as can be written at once, and answers how many bytes that was. `None`: the connection is broken.
    fn try_write(&self, bytes: &[u8]) -> Option<usize>;

    /// The number by which the operating system knows it, where it has one.
    fn descriptor(&self) -> Option<i32> {
        None
    }
}

/// One of several writes.
#[derive(Debug)]
pub struct Write<'a> {
    /// By which way.
    pub outlet: &'a dyn DirectWriter,
    /// What.
    pub bytes: &'a [u8],
    /// What [`DirectWriter::try_write`] would have answered.
    pub written: Option<usize>,
}

/// Writes to many connections at once: one call to the operating system costs less than one for each.
pub trait BatchWriter: Send + Sync {
    /// Does all of them, as [`DirectWriter::try_write`] would, and notes what each wrote.
    fn write(&self, writes: &mut [Write<'_>]);
}

/// Frames that went out, and their bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// How many frames.
    pub frames: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl AddAssign for WriteStats {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
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
        flusher: Arc<dyn FlushScheduler>,
    }
}

impl<F> Corked<F> {
    /// Wraps `inner`; `flusher` takes what it filled.
    pub fn new(inner: F, flusher: Arc<dyn FlushScheduler>) -> Self {
        Self { inner, flusher }
    }
}

/// Ends a turn, even one that panicked.
struct CorkGuard<'a>(Option<&'a dyn FlushScheduler>);

impl Drop for CorkGuard<'_> {
    fn drop(&mut self) {
        let Some(flusher) = self.0 else { return };
        CORKED.set(false);
        let filled = FILLED.take();
        if !filled.is_empty() {
            flusher.flush(FlushBatch::new(filled));
        }
    }
}

impl<F: Future> Future for Corked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Within another's turn, that one's end is soon enough.
        let is_outer = !CORKED.replace(true);
        let _turn = CorkGuard(is_outer.then_some(&**this.flusher));
        this.inner.poll(cx)
    }
}
