//! What a listener leads to.

use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use tokio_util::task::TaskTracker;

use super::forwarded::TrustedProxies;
use super::upgrade::Sockets;

/// Which of the two listeners a request came by. Every poem request has it as an extension: `/metrics` and
/// `/health/detailed` answer on the first alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// The one for the REST API (`APP_HOST`, `APP_PORT`); also where there is one listener only.
    Api,
    /// The one for WebSocket (`SERVER_HOST`, `SERVER_PORT`).
    Server,
}

/// What a listener leads to; both lead to the same.
pub struct Site {
    /// Where WebSocket upgrades go.
    pub sockets: Arc<dyn Sockets>,
    /// Where all other requests go, each with [`ClientInfo`](super::ClientInfo) and [`ListenerRole`] as extensions.
    pub endpoint: BoxEndpoint<'static>,
    /// Whose forwarding headers are believed.
    pub proxies: TrustedProxies,
    /// For TLS and the first request head together.
    pub handshake: Duration,
    /// How long an HTTP connection may be still: between requests, inside a body, and with an answer that is not read.
    pub http_idle: Duration,
    /// How long requests may go on after the stop.
    pub drain: Duration,
    /// The tasks of the sessions. [`serve`](super::serve) does not wait for them: whoever stops the server closes this
    /// and waits.
    pub sessions: TaskTracker,
}

impl Site {
    /// What [`Site::http_idle`] is where nothing speaks for another value: longer than the 60 s that load balancers keep
    /// connections, so that it is they who close them.
    pub const HTTP_IDLE: Duration = Duration::from_secs(75);
}
