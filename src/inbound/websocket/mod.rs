//! The WebSocket edge: sessions, one a socket, and what they say in which dialect.

mod buffers;
mod complaints;
pub mod dialect;
mod flush;
mod frame;
mod handle;
mod keepalive;
mod link;
mod long;
mod seen;
mod session;
mod socket;
mod upgrade;
mod version;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use flush::Flush;
pub use upgrade::Upgrades;
pub use version::VersionFault;

use crate::core::hub::DirectWriter;
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
    [
        Arc::new(dialect::pushi::Pushi),
        Arc::new(dialect::pusher::Pusher),
    ]
}

/// Where an upgrade's path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the app with this key, in the Pushi dialect.
    Pushi(String),
    /// To the app with this key, in the Pusher dialect; with what was said of its version, where that is not one to go on with.
    Pusher(String, Option<VersionFault>),
}

/// Reads an upgrade's path: its last segment is the app's key, and where the one before is `app`, the dialect is Pusher's
/// and `query` says which version of it. `None`: it names no key.
pub fn destination(path: &str, query: Option<&str>) -> Option<Destination> {
    let mut segments = path.rsplit('/');
    let key = segments.next().filter(|key| !key.is_empty())?;
    let key = percent_encoding::percent_decode_str(key)
        .decode_utf8()
        .ok()?
        .into_owned();
    if segments.next() == Some("app") {
        return Some(Destination::Pusher(
            key,
            VersionFault::of(query.unwrap_or_default()),
        ));
    }
    Some(Destination::Pushi(key))
}

impl Gateway {
    /// Over the use cases.
    pub fn new(service: Arc<Service>, clock: Arc<dyn Clock>, timing: Timing) -> Self {
        Self {
            service,
            clock,
            timing,
            stopping: AtomicBool::new(false),
        }
    }

    /// After how many silent seconds a client is pinged; at least 1.
    fn activity(&self) -> u32 {
        u32::try_from(self.timing.activity.as_secs())
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Takes no further client.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Serves a client whose upgrade has been answered, to its end. By `outlet` others may write to it.
    pub fn serve<S>(
        self: Arc<Self>,
        destination: Destination,
        origin: Option<String>,
        secure: bool,
        outlet: Option<Arc<dyn DirectWriter>>,
        stream: S,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        // Boxed, since a connection needs nothing of it any more once it has begun.
        let beginning = Box::pin(async move {
            let (key, dialect) = match &destination {
                Destination::Pushi(key) => (key, DialectId::Pushi),
                Destination::Pusher(key, None) => (key, DialectId::Pusher),
                Destination::Pusher(_, Some(fault)) => {
                    session::turn_away(
                        self,
                        DialectId::Pusher,
                        fault.code(),
                        fault.to_string(),
                        stream,
                    )
                    .await;
                    return None;
                }
            };
            let connecting = Connecting {
                key,
                origin: origin.as_deref(),
                secure,
                dialect,
            };
            session::begin(self, connecting, outlet, stream).await
        });
        async move {
            if let Some(session) = beginning.await {
                session.run().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_the_key() {
        let destination = |path| super::destination(path, None);
        let pushi = |key: &str| Some(Destination::Pushi(key.to_owned()));
        assert_eq!(destination("/k1"), pushi("k1"));
        assert_eq!(destination("/some/path/k1"), pushi("k1"));
        assert_eq!(destination("/k%311"), pushi("k11"));
        assert_eq!(destination("/"), None);
        assert_eq!(destination("/k1/"), None);
        assert_eq!(destination("/app"), pushi("app"));
    }

    #[test]
    fn behind_app_the_dialect_is_pushers() {
        let pusher = |key: &str, fault| Some(Destination::Pusher(key.to_owned(), fault));
        let query = Some("protocol=7&client=js&version=8.6.0&flash=false");
        assert_eq!(destination("/app/k1", query), pusher("k1", None));
        assert_eq!(
            destination("/some/path/app/k%311", query),
            pusher("k11", None)
        );
        assert_eq!(
            destination("/app/k1", None),
            pusher("k1", Some(VersionFault::Missing))
        );
        assert_eq!(destination("/app/", query), None);
    }
}
