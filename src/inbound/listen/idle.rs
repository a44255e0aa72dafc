//! Idle limits of an HTTP connection: on transfers that stall and on request heads that are late.
//!
//! hyper has one `header_read_timeout` and no limit on bodies and unread responses, and it wants a
//! new timer for each request head. Both types here keep one tokio timer per connection and move it
//! only when it fires too early: registering and removing a timer for each request would cost a
//! considerable part of the request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use hyper::rt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::stream::ClientStream;

/// A stream that fails with `TimedOut` when a read or write is pending and no byte has moved in
/// either direction for the limit: the client sends no body, or does not read the response.
#[derive(Debug)]
pub(super) struct IdleTimeoutStream {
    stream: ClientStream,
    limit: Duration,
    /// When a byte last moved.
    last_active: Instant,
    timer: Pin<Box<Sleep>>,
    /// Whether the socket did not take the last write.
    write_blocked: Arc<AtomicBool>,
}

impl IdleTimeoutStream {
    pub(super) fn new(
        stream: ClientStream,
        limit: Duration,
        write_blocked: Arc<AtomicBool>,
    ) -> Self {
        Self {
            stream,
            limit,
            write_blocked,
            last_active: Instant::now(),
            timer: Box::pin(sleep(limit)),
        }
    }

    pub(super) fn into_inner(self) -> ClientStream {
        self.stream
    }

    fn check_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.last_active = Instant::now();
            return result;
        }
        // The timer is not moved at each byte, only when it fires.
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let deadline = self.last_active + self.limit;
            if deadline <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(deadline);
        }
    }
}

impl AsyncRead for IdleTimeoutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.check_timeout(cx, result)
    }
}

impl AsyncWrite for IdleTimeoutStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.write_blocked
            .store(result.is_pending(), Ordering::Relaxed);
        this.check_timeout(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.check_timeout(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        // A flush that is ready is no activity: `last_active` stays.
        if result.is_ready() {
            result
        } else {
            this.check_timeout(cx, result)
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.check_timeout(cx, result)
    }
}

/// hyper's timer for one connection. All sleeps of the connection reuse one tokio timer.
#[derive(Debug, Clone, Default)]
pub(super) struct ReusableTimer(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl rt::Timer for ReusableTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        let deadline = Instant::from_std(deadline);
        let mut timer = self
            .0
            .lock()
            .take()
            .unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        Box::pin(ReusableSleep {
            deadline,
            timer: Some(timer),
            owner: self.clone(),
        })
    }

    fn now(&self) -> StdInstant {
        Instant::now().into_std()
    }
}

/// One sleep. Returns the timer to its owner on drop without moving it: if the timer then fires
/// before the deadline of the next sleep, that sleep moves it.
struct ReusableSleep {
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    owner: ReusableTimer,
}

impl rt::Sleep for ReusableSleep {}

impl Future for ReusableSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            deadline, timer, ..
        } = self.get_mut();
        let Some(timer) = timer else {
            return Poll::Ready(());
        };
        loop {
            ready!(timer.as_mut().poll(cx));
            if *deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(*deadline);
        }
    }
}

impl Drop for ReusableSleep {
    fn drop(&mut self) {
        *self.owner.0.lock() = self.timer.take();
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Timer;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_sleep_has_its_own_deadline() {
        let (timer, begun) = (ReusableTimer::default(), Instant::now());
        let elapsed = || begun.elapsed().as_secs();
        // Dropped before it fires. It must not shorten a longer sleep after it, nor lengthen a
        // shorter one.
        drop(timer.sleep(Duration::from_secs(10)));
        timer.sleep(Duration::from_secs(30)).await;
        assert_eq!(elapsed(), 30);
        let mut long = timer.sleep(Duration::from_secs(100));
        assert!(futures_util::poll!(&mut long).is_pending());
        drop(long);
        timer.sleep(Duration::from_secs(5)).await;
        assert_eq!(elapsed(), 35);
        // Two at the same time, which hyper does not need.
        let (one, two) = (
            timer.sleep(Duration::from_secs(1)),
            timer.sleep(Duration::from_secs(2)),
        );
        two.await;
        one.await;
        assert_eq!(elapsed(), 37);
    }
}
