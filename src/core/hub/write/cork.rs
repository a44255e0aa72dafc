//! Corked futures: what one poll delivers to idle connections is written at its end.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::batch::FlushBatch;
use super::mailbox::Mailbox;

/// Writes the mailboxes that were filled during a poll.
pub trait FlushScheduler: Send + Sync {
    /// Writes their queues, now or soon.
    fn flush(&self, batch: FlushBatch);
}

/// Writes each mailbox at once, on the thread that filled it.
pub(in crate::core::hub) struct FlushInline;

impl FlushScheduler for FlushInline {
    fn flush(&self, batch: FlushBatch) {
        // Dropping a batch flushes it.
        drop(batch);
    }
}

thread_local! {
    static CORKED: Cell<bool> = const { Cell::new(false) };
    static FILLED: RefCell<Vec<Arc<Mailbox>>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread polls a [`Corked`] future.
pub(in crate::core::hub) fn is_corked() -> bool {
    CORKED.get()
}

/// Records a mailbox to be flushed at the end of the poll; only where [`is_corked`].
pub(in crate::core::hub) fn schedule_flush(mailbox: &Arc<Mailbox>) {
    FILLED.with_borrow_mut(|filled| filled.push(Arc::clone(mailbox)));
}

pin_project! {
    /// A future that delivers to connections. Frames for idle connections are collected during one
    /// poll and written at its end, as with `TCP_CORK`: several frames to one connection in one
    /// write. Made by [`Hub::cork`](crate::core::hub::Hub::cork).
    pub struct Corked<F> {
        #[pin]
        inner: F,
        scheduler: Arc<dyn FlushScheduler>,
    }
}

impl<F> Corked<F> {
    pub(in crate::core::hub) fn new(inner: F, scheduler: Arc<dyn FlushScheduler>) -> Self {
        Self { inner, scheduler }
    }
}

/// Ends a corked poll, also when it panics.
struct CorkGuard<'a>(Option<&'a dyn FlushScheduler>);

impl Drop for CorkGuard<'_> {
    fn drop(&mut self) {
        let Some(scheduler) = self.0 else { return };
        CORKED.set(false);
        let filled = FILLED.take();
        if !filled.is_empty() {
            scheduler.flush(FlushBatch::new(filled));
        }
    }
}

impl<F: Future> Future for Corked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // A corked future within another one: the outer one's end is soon enough.
        let is_outer = !CORKED.replace(true);
        let _guard = CorkGuard(is_outer.then_some(&**this.scheduler));
        this.inner.poll(cx)
    }
}
