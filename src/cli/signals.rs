//! What the operating system says to a server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that a server listens for.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

enum Said {
    End,
    Reload,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM and SIGINT cancel `stop`; the second of them returns. Each SIGHUP calls `reload`.
    pub async fn obey(&mut self, stop: &CancellationToken, reload: impl Fn()) {
        loop {
            match self.next().await {
                Said::Reload => reload(),
                Said::End if stop.is_cancelled() => return,
                Said::End => {
                    tracing::info!("stopping; a second signal ends the process at once");
                    stop.cancel();
                }
            }
        }
    }

    async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.terminate.recv() => Said::End,
            _ = self.interrupt.recv() => Said::End,
            _ = self.hangup.recv() => Said::Reload,
        }
    }
}
