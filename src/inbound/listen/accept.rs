//! The acceptor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bind::Bound;
use super::connection::{self, Door};
use super::site::{ListenerRole, Site};
use super::tls::TlsSource;

/// A request that has begun has at least so long to end.
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// Accepts connections until `stop`, and returns when all HTTP connections of this listener are closed: requests that
/// have begun are answered, within [`Site::drain`]. Sessions are not waited for (see [`Site::sessions`]).
pub async fn serve(
    bound: Bound,
    role: ListenerRole,
    tls: Option<TlsSource>,
    site: Arc<Site>,
    stop: CancellationToken,
) {
    let local = bound.local_addr();
    let tasks = TaskTracker::new();
    let kill = CancellationToken::new();
    if let Some(tls) = &tls {
        tasks.spawn(tls.clone().watch(stop.clone()));
    }
    let door = Arc::new(Door {
        site,
        role,
        tls,
        local,
        stop,
        kill,
    });
    accept(bound, &door, &tasks).await;
    tasks.close();
    if timeout(door.site.drain.max(LEAST_DRAIN), tasks.wait())
        .await
        .is_err()
    {
        door.kill.cancel();
        tasks.wait().await;
    }
}

/// Returns, with the port free again, when it is told to stop.
async fn accept(bound: Bound, door: &Arc<Door>, tasks: &TaskTracker) {
    let mut trouble = Trouble::default();
    loop {
        let Some(accepted) = door.stop.run_until_cancelled(bound.listener.accept()).await else {
            return;
        };
        match accepted {
            Ok((stream, peer)) => {
                trouble.over();
                tasks.spawn(connection::serve(stream, peer, Arc::clone(door)));
            }
            Err(error) => {
                if let Some(wait) = trouble.with(&error) {
                    door.stop.run_until_cancelled(sleep(wait)).await;
                }
            }
        }
    }
}

/// How to go on after an accept failed.
#[derive(Debug, Default)]
struct Trouble {
    /// How long the last wait was.
    waited: Duration,
    /// When it was last logged.
    said: Option<Instant>,
}

impl Trouble {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    const SAY_EVERY: Duration = Duration::from_secs(10);

    /// `None`: only that connection was lost, the next one may be fine. Else how long to wait: out of file descriptors
    /// or memory the connection stays in the backlog, accept fails again at once, and trying on would only burn CPU.
    fn with(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return None;
        }
        if self
            .said
            .is_none_or(|said| said.elapsed() >= Self::SAY_EVERY)
        {
            self.said = Some(Instant::now());
            tracing::warn!("no connection can be accepted for now: {error}");
        }
        self.waited = (self.waited * 2).clamp(Self::FIRST, Self::LONGEST);
        Some(self.waited)
    }

    /// An accept worked.
    fn over(&mut self) {
        self.waited = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn out_of_descriptors_it_waits_longer_each_time() {
        let mut trouble = Trouble::default();
        let emfile = io::Error::from_raw_os_error(24);
        let waits: Vec<_> = (0..9)
            .filter_map(|_| trouble.with(&emfile))
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        trouble.over();
        assert_eq!(trouble.with(&emfile), Some(Trouble::FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_lost_does_not_hold_up_the_next() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.with(&io::ErrorKind::ConnectionAborted.into()), None);
        assert_eq!(trouble.waited, Duration::ZERO);
    }
}
