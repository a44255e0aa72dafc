//! Handlers of requests and upgrades, with the limits of a listener.

use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use tokio_util::task::TaskTracker;

use super::forwarded::TrustedProxies;
use super::http_limit::HttpConnections;
use super::takeover::StreamHandler;
use super::upgrade::UpgradeHandler;

/// The listener that accepted a request. Every poem request has it as an extension: `/metrics` and
/// `/health/detailed` are served by [`ListenerRole::Api`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// The listener of the REST API (`APP_HOST`, `APP_PORT`), or the only one.
    Api,
    /// The listener of WebSocket clients (`SERVER_HOST`, `SERVER_PORT`).
    Server,
}

/// An extension of a response: no route has the path of its request.
#[derive(Debug, Clone, Copy)]
pub struct UnknownRoute;

/// Handlers of requests and upgrades, and the time limits. All listeners share one.
pub struct Handlers {
    /// Handles WebSocket upgrades.
    pub upgrades: Arc<dyn UpgradeHandler>,
    /// Handles requests for streams over plain HTTP.
    pub streams: Arc<dyn StreamHandler>,
    /// Handles all other requests, each with [`ClientInfo`](super::ClientInfo) and
    /// [`ListenerRole`] as extensions.
    pub endpoint: BoxEndpoint<'static>,
    /// Proxies whose forwarding headers are trusted.
    pub proxies: TrustedProxies,
    /// The HTTP connections and their limits.
    pub http_connections: Arc<HttpConnections>,
    /// The connections that have not sent their first request head, and their limits.
    pub handshakes: Arc<HttpConnections>,
    /// Limit on the TLS handshake and the first request head together.
    pub handshake_timeout: Duration,
    /// Limit on how long an HTTP connection may transfer nothing: between requests, inside a body,
    /// and while the client does not read its response.
    pub http_idle_timeout: Duration,
    /// Limit on the time between a request's head and the end of its body. It also bounds how long
    /// a close lingers whose request's body was not read.
    pub body_timeout: Duration,
    /// The largest rest of a request's body, in bytes, that is read and dropped after the response,
    /// so that the connection can go on. With more, the response closes it.
    pub dropped_body_bytes: u64,
    /// How long requests in progress may continue after the stop signal, and clients may take the
    /// responses. Connections that are still open then are dropped.
    pub drain_timeout: Duration,
    /// The tasks of the sessions. [`serve`](super::serve) does not wait for them: the server closes
    /// the tracker and waits when it stops.
    pub sessions: TaskTracker,
}

impl Handlers {
    /// Default of [`Handlers::http_idle_timeout`]. Longer than the 60 s that load balancers keep
    /// idle connections, so that the load balancer closes them first.
    pub const DEFAULT_HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

    /// Default of [`Handlers::dropped_body_bytes`] where request bodies have no limit.
    pub const DEFAULT_DROPPED_BODY_BYTES: u64 = 1024 * 1024;
}
