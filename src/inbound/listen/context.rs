//! State that all connections of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::handlers::{Handlers, ListenerRole};
use super::tls::TlsSource;

/// State that all connections of one listener share.
pub(super) struct ListenerContext {
    pub handlers: Arc<Handlers>,
    pub role: ListenerRole,
    /// `None`: plain TCP.
    pub tls: Option<TlsSource>,
    pub local_addr: SocketAddr,
    /// Cancelled at the beginning of a shutdown: requests in progress end, no further one begins.
    pub stop: CancellationToken,
    /// Cancelled at the end of the drain time: open connections are dropped.
    pub abort: CancellationToken,
}
