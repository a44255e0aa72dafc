//! The accept loop of a listener, and its shutdown.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bind::BoundListener;
use super::connection;
use super::context::ListenerContext;
use super::handlers::{Handlers, ListenerRole};
use super::tls::TlsSource;
use crate::core::backoff::Backoff;

/// Accepts connections until `stop`, and returns when all HTTP connections of this listener are
/// closed. Requests in progress are answered within [`Handlers::drain_timeout`]. Sessions are not
/// awaited (see [`Handlers::sessions`]).
pub async fn serve(
    bound: BoundListener,
    role: ListenerRole,
    tls: Option<TlsSource>,
    handlers: Arc<Handlers>,
    stop: CancellationToken,
) {
    let local_addr = bound.local_addr();
    let tasks = TaskTracker::new();
    let abort = CancellationToken::new();
    if let Some(tls) = &tls {
        tasks.spawn(tls.clone().watch(stop.clone()));
    }
    let context = Arc::new(ListenerContext {
        handlers,
        role,
        tls,
        local_addr,
        stop,
        abort,
    });
    accept_loop(bound, &context, &tasks).await;
    tasks.close();
    let drain = context.handlers.drain_timeout;
    if timeout(drain, tasks.wait()).await.is_err() {
        let connections = tasks.len();
        tracing::warn!(
            connections,
            "HTTP connections cut off by the end of the drain time"
        );
        context.abort.cancel();
        tasks.wait().await;
    }
}

/// Returns at the stop signal, and releases the port.
async fn accept_loop(bound: BoundListener, context: &Arc<ListenerContext>, tasks: &TaskTracker) {
    let mut backoff = AcceptBackoff::new();
    loop {
        let accept = bound.listener.accept();
        let Some(accepted) = context.stop.run_until_cancelled(accept).await else {
            return;
        };
        match accepted {
            Ok((stream, peer)) => {
                backoff.on_success();
                tasks.spawn(connection::serve(stream, peer, Arc::clone(context)));
            }
            Err(error) => {
                if let Some(delay) = backoff.on_error(&error) {
                    context.stop.run_until_cancelled(sleep(delay)).await;
                }
            }
        }
    }
}

/// The delay and the log line after a failed accept.
#[derive(Debug)]
struct AcceptBackoff {
    backoff: Backoff,
    last_logged: Option<Instant>,
}

impl AcceptBackoff {
    const BASE: Duration = Duration::from_millis(10);
    const MAX: Duration = Duration::from_secs(1);
    const LOG_INTERVAL: Duration = Duration::from_secs(10);

    fn new() -> Self {
        Self {
            backoff: Backoff::new(Self::BASE, Self::MAX),
            last_logged: None,
        }
    }

    /// Returns how long to wait before the next accept. `None`: only this connection was lost,
    /// accept again at once. Without free file descriptors or memory the connection stays in the
    /// backlog and accept fails again immediately, so retrying without a delay would burn CPU.
    fn on_error(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return None;
        }
        if self
            .last_logged
            .is_none_or(|logged| logged.elapsed() >= Self::LOG_INTERVAL)
        {
            self.last_logged = Some(Instant::now());
            tracing::warn!(%error, "cannot accept connections");
        }
        Some(self.backoff.next_delay())
    }

    /// Starts again at the shortest delay, after an accept that succeeded.
    fn on_success(&mut self) {
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_grow_while_descriptors_are_exhausted() {
        let mut backoff = AcceptBackoff::new();
        let emfile = io::Error::from_raw_os_error(24);
        let delays: Vec<_> = (0..9)
            .filter_map(|_| backoff.on_error(&emfile))
            .map(|delay| delay.as_millis())
            .collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.on_success();
        assert_eq!(backoff.on_error(&emfile), Some(AcceptBackoff::BASE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_does_not_delay_the_next() {
        let mut backoff = AcceptBackoff::new();
        let aborted = io::ErrorKind::ConnectionAborted.into();
        assert_eq!(backoff.on_error(&aborted), None);
        let emfile = io::Error::from_raw_os_error(24);
        assert_eq!(backoff.on_error(&emfile), Some(AcceptBackoff::BASE));
    }
}
