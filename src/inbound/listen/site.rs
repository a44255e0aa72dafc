//! What a listener leads to.

use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use tokio_util::task::TaskTracker;

use super::forwarded::TrustedProxies;
use super::upgrade::Sockets;

/// What a listener leads to; both lead to the same.
pub struct Site {
    /// Where WebSocket upgrades go.
    pub sockets: Arc<dyn Sockets>,
    /// Where all other requests go, each with [`ClientInfo`](crate::inbound::wire::ClientInfo) and
    /// [`ListenerRole`](crate::inbound::wire::ListenerRole) as extensions.
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
