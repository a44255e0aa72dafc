//! The signals of a server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Handlers of SIGTERM, SIGINT and SIGHUP.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

enum SignalAction {
    Stop,
    Reload,
}

impl Signals {
    /// Installs the handlers; the signals no longer end the process by themselves.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Handles signals until the second SIGTERM or SIGINT. The first one cancels `stop`; each
    /// SIGHUP calls `reload`.
    pub(super) async fn handle(&mut self, stop: &CancellationToken, reload: impl Fn()) {
        loop {
            match self.next().await {
                SignalAction::Reload => reload(),
                SignalAction::Stop if stop.is_cancelled() => return,
                SignalAction::Stop => {
                    tracing::info!("stopping; a second signal ends the process immediately");
                    stop.cancel();
                }
            }
        }
    }

    async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::Stop,
            _ = self.interrupt.recv() => SignalAction::Stop,
            _ = self.hangup.recv() => SignalAction::Reload,
        }
    }
}
