//! The WebSocket edge: sessions, one a socket, and what they say in which dialect.

mod buffers;
mod complaints;
pub mod dialect;
mod frame;
mod handle;
mod keepalive;
mod link;
mod seen;
mod session;
mod socket;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use upgrade::Upgrades;

use crate::core::ports::{Clock, Dialect, DialectId};
use crate::core::service::{Connecting, Service};

/// How long connections may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// After so long a silent client is pinged.
    pub activity: Duration,
    /// After so long without anything said or sent a connection is closed; 0: never.
    pub idle: Duration,
}

/// What all sessions share.
pub struct Gateway {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    timing: Timing,
    stopping: AtomicBool,
}

/// The dialects that are spoken, in the order of their ids.
pub fn dialects() -> [Arc<dyn Dialect>; DialectId::COUNT] {
    [Arc::new(dialect::pushi::Pushi)]
}

/// Where an upgrade's path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the app with this key, in the Pushi dialect.
    Pushi(String),
}

/// Reads an upgrade's path: its last segment is the app's key. `None`: it names none.
pub fn destination(path: &str) -> Option<Destination> {
    let mut segments = path.rsplit('/');
    let key = segments.next().filter(|key| !key.is_empty())?;
    if segments.next() == Some("app") {
        return None;
    }
    let key = percent_encoding::percent_decode_str(key).decode_utf8().ok()?;
    Some(Destination::Pushi(key.into_owned()))
}

impl Gateway {
    /// Over the use cases.
    pub fn new(service: Arc<Service>, clock: Arc<dyn Clock>, timing: Timing) -> Self {
        Self { service, clock, timing, stopping: AtomicBool::new(false) }
    }

    /// Takes no further client.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Serves a client whose upgrade has been answered, to its end.
    pub async fn serve<S>(self: Arc<Self>, destination: Destination, origin: Option<String>, secure: bool, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let Destination::Pushi(key) = destination;
        let connecting = Connecting { key: &key, origin: origin.as_deref(), secure, dialect: DialectId::Pushi };
        session::run(self, connecting, stream).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_the_key() {
        let pushi = |key: &str| Some(Destination::Pushi(key.to_owned()));
        assert_eq!(destination("/k1"), pushi("k1"));
        assert_eq!(destination("/some/path/k1"), pushi("k1"));
        assert_eq!(destination("/k%311"), pushi("k11"));
        assert_eq!(destination("/"), None);
        assert_eq!(destination("/k1/"), None);
        assert_eq!(destination("/app/k1"), None, "another dialect's");
    }
}
