//! The WebSocket edge: sessions, one per connection, and the dialects that they speak.
//!
//! # Who owns what of one connection
//!
//! ```text
//! inbound::listen::connection   accepts, reads the request head, answers 101, spawns the session's
//!         |                     task and gives it the stream
//!         v
//! upgrade                       checks path and origin before the 101; then runs Gateway::serve
//!         v
//! ClientSession                 session: all state of the task, in one box
//!   |- Connection               core::hub: the handle in the hub (app, subscriptions, user);
//!   |   |                       dropping it disconnects
//!   |   `- Arc<Mailbox>         items for the client; shared with the hub, which fills it
//!   |- Link                     session::link: polls mailbox and stream
//!   |   `- WebSocketStream      stream: frames to bytes and back; owns the TCP or TLS stream
//!   `- SessionState             session::state: policy without I/O
//!       `- DeliveryQueue        session::delivery: items taken from the mailbox, which are dropped,
//!                               held back or sent next
//! ```
//!
//! Bytes reach the client in two ways. The session's task takes items from the mailbox and writes
//! them through its stream. While that task is idle and nothing would be dropped or held back, the
//! mailbox is parked, and the publishing task writes to the socket itself, through the
//! `DirectWriter` that the listener provides (`core::hub` explains this).
//!
//! # Memory per connection
//!
//! Most connections are idle most of the time, so a session's future holds what an idle connection
//! needs and nothing else. Every other phase (connecting, handling a message, performing an action,
//! waiting with a timer, closing) is a boxed future, which is allocated when the phase begins and
//! freed when it ends; a field that few clients use is boxed in the same way.

pub mod dialect;
mod flush;
mod keepalive;
mod protocol_version;
mod session;
mod stream;
mod target;
mod upgrade;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub use flush::TokioFlushScheduler;
pub use protocol_version::ProtocolVersionError;
pub(crate) use session::{close_code, close_label};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use stream::fuzzing;
pub use target::UpgradeTarget;
pub use upgrade::WebSocketUpgrades;

use self::session::SessionContext;
use crate::core::hub::{Connection, DirectWriter};
use crate::core::ports::{Clock, Dialect, DialectId};
use crate::core::service::{Connecting, Encryption, Service};

/// When silent and idle connections are acted upon.
#[derive(Debug, Clone, Copy)]
pub struct KeepaliveTiming {
    /// The time without a frame from the client after which it is pinged.
    pub activity: Duration,
    /// The time without a frame in either direction, pings aside, after which the connection is
    /// closed; 0: never.
    pub idle: Duration,
    /// The time in which a client must take 64 KiB of an answer.
    pub answer: Duration,
}

/// What all sessions share.
pub struct Gateway {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    timing: KeepaliveTiming,
    stopping: AtomicBool,
    /// Cancelled when clients may no longer take their last frames.
    cut_off: CancellationToken,
    /// A proxy that does not state TLS has been logged.
    unstated_tls_logged: AtomicBool,
}

/// All dialects, indexed by [`DialectId`].
pub fn dialects() -> [Arc<dyn Dialect>; DialectId::COUNT] {
    [
        Arc::new(dialect::pushi::Pushi),
        Arc::new(dialect::pusher::Pusher),
        Arc::new(dialect::StreamDialect),
    ]
}

/// The app and dialect that an upgrade's path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The app with this key, in the Pushi dialect.
    Pushi(String),
    /// The app with this key, in the Pusher dialect; with the error of the client's protocol
    /// version, if there is one.
    Pusher(String, Option<ProtocolVersionError>),
}

/// Parses an upgrade's path: its last segment is the app's key. After a segment `app` the dialect
/// is Pusher's, in the version of the query. `None`: there is no key.
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
            ProtocolVersionError::check(query.unwrap_or_default()),
        ));
    }
    Some(Destination::Pushi(key))
}

impl Gateway {
    /// A gateway to the use cases of `service`.
    pub fn new(service: Arc<Service>, clock: Arc<dyn Clock>, timing: KeepaliveTiming) -> Self {
        Self {
            service,
            clock,
            timing,
            stopping: AtomicBool::new(false),
            cut_off: CancellationToken::new(),
            unstated_tls_logged: AtomicBool::new(false),
        }
    }

    /// The use cases.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Whether further clients are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Cancelled when clients may no longer take their last bytes.
    pub(crate) fn end_of_drain(&self) -> &CancellationToken {
        &self.cut_off
    }

    /// The time in which a client must take the next part of an answer.
    pub(crate) fn answer_time(&self) -> Duration {
        self.timing.answer
    }

    /// What a session's state reads of its connection and this server.
    fn context<'a>(&'a self, connection: &'a Connection) -> SessionContext<'a> {
        SessionContext {
            connection,
            limits: &self.service.rules().limits,
            clock: &*self.clock,
        }
    }

    /// The number of silent seconds after which a client is pinged; at least 1.
    fn activity_timeout(&self) -> u32 {
        u32::try_from(self.timing.activity.as_secs())
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Warns, once, of a proxy that makes all connections to apps with `tls_only` fail.
    pub(crate) fn warn_of_unstated_tls(&self) {
        if !self.unstated_tls_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "clients of an app with tls_only are refused: a proxy forwards them and no trusted proxy states that they use TLS; \
                 list it in PUSHI_TRUSTED_PROXIES, and have it send X-Forwarded-Proto or Forwarded"
            );
        }
    }

    /// Whether WebSocket clients connect at this path: it is one of Pusher's form, or ends with the
    /// key of an app.
    async fn is_address(&self, path: &str) -> bool {
        match destination(path, None) {
            Some(Destination::Pusher(..)) => true,
            Some(Destination::Pushi(key)) => self.service.has_key(&key).await,
            None => false,
        }
    }

    /// The number of seconds in which a client must take the next part of an answer; at least 1.
    fn answer_timeout(&self) -> u16 {
        // The first second of the shared timer is shorter.
        let seconds = self.timing.answer.as_secs().saturating_add(1);
        u16::try_from(seconds).unwrap_or(u16::MAX)
    }

    /// Refuses further clients.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Drops the connections whose clients have not taken their last frames.
    pub fn cut_off(&self) {
        self.cut_off.cancel();
    }

    /// Serves a client whose upgrade has been answered, until the connection ends. With
    /// `direct_writer`, publishers may write to it.
    pub fn serve<S>(
        self: Arc<Self>,
        target: impl Into<UpgradeTarget>,
        origin: Option<String>,
        encryption: impl Into<Encryption>,
        address: Option<IpAddr>,
        direct_writer: Option<Arc<dyn DirectWriter>>,
        stream: S,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let encryption = encryption.into();
        let UpgradeTarget { destination, token } = target.into();
        let connecting = Box::pin(async move {
            let (key, dialect) = match &destination {
                Destination::Pushi(key) => (key, DialectId::Pushi),
                Destination::Pusher(key, None) => (key, DialectId::Pusher),
                Destination::Pusher(_, Some(error)) => {
                    session::reject(
                        self,
                        DialectId::Pusher,
                        error.code(),
                        error.to_string(),
                        stream,
                    )
                    .await;
                    return None;
                }
            };
            let request = Connecting {
                key,
                origin: origin.as_deref(),
                encryption,
                dialect,
                address,
            };
            session::connect(self, request, token, direct_writer, stream).await
        });
        async move {
            if let Some(session) = connecting.await {
                session.run().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_path_segment_is_the_key() {
        let destination = |path| super::destination(path, None);
        let pushi = |key: &str| Some(Destination::Pushi(key.to_owned()));
        assert_eq!(destination("/k1"), pushi("k1"));
        assert_eq!(destination("/some/path/k1"), pushi("k1"));
        assert_eq!(destination("/k%311"), pushi("k11"));
        assert_eq!(destination("/"), None);
        assert_eq!(destination("/k1/"), None);
        assert_eq!(destination("/app"), pushi("app"));
        assert_eq!(destination("/a.b:c+d=="), pushi("a.b:c+d=="));
        assert_eq!(destination("/a%2Fb%3Ac%3F%23%25"), pushi("a/b:c?#%"));
    }

    #[test]
    fn after_app_the_dialect_is_pusher() {
        let pusher = |key: &str, error| Some(Destination::Pusher(key.to_owned(), error));
        let query = Some("protocol=7&client=js&version=8.6.0&flash=false");
        assert_eq!(destination("/app/k1", query), pusher("k1", None));
        assert_eq!(
            destination("/some/path/app/k%311", query),
            pusher("k11", None)
        );
        assert_eq!(
            destination("/app/k1", None),
            pusher("k1", Some(ProtocolVersionError::Missing))
        );
        assert_eq!(destination("/app/", query), None);
    }
}
