//! The listener: accepts TCP connections and routes each to a session (of a WebSocket, or of a
//! stream over plain HTTP) or to HTTP.
//!
//! # Stages of a connection
//!
//! ```text
//! accept            accept loop, one task per connection
//!   │ TcpStream
//! connection        TLS handshake, first request head (one time limit for both)
//!   │ ClientStream
//!   ├─ upgrade ───► UpgradeHandler ── 101 ──► session: own task in Handlers::sessions
//!   ├─ stream ────► StreamHandler ──────────►     ▲
//!   │                                             │
//!   └─ other ─────► http (hyper) ─┬─ upgrade, 101 ┤
//!                                 ├─ stream ──────┘
//!                                 └─ other ──► Handlers::endpoint (the REST API)
//! ```
//!
//! # Who owns the stream
//!
//! Exactly one task owns the [`ClientStream`] at any time:
//!
//! ```text
//! first request is an upgrade        a later request is an upgrade
//! connection task                    connection task
//!   reads the head, writes 101         http::serve: hyper owns the stream
//!   │ moves the stream                 hyper writes 101, returns stream and read buffer
//!   ▼                                  ▼ moves the stream
//! session task                       session task
//!   AcceptedUpgrade::run               AcceptedUpgrade::run
//!
//! session task ── ClientStream::direct_writer ──► hub: may write to the socket of an idle session
//! ```
//!
//! The bytes after the request head are pushed back, so the session reads them first. The
//! connection task ends when the session begins; a session holds a [`ClientStream`] and nothing of
//! hyper.
//!
//! # Why the accept loop is our own
//!
//! - `poem::Server` has no time limit on the request head, no delay after a failed accept (out of
//!   file descriptors it would loop), and does not set `TCP_NODELAY`.
//! - Its graceful shutdown does not wait for upgraded connections.
//! - Direct writes (`core::hub`) need the TCP stream itself, which `poem` and `axum` do not expose.
//!
//! `hyper_util`'s `GracefulShutdown` would replace about 20 lines of [`serve`] and none of these
//! reasons. `head.rs` explains why the first head is parsed twice.
//!
//! # Files
//!
//! | file | content |
//! | --- | --- |
//! | `bind` | binding an address |
//! | `accept` | [`serve`]: accept loop, back-off, shutdown |
//! | `context` | state that all connections of a listener share |
//! | `handlers` | [`Handlers`]: where requests and upgrades go, time limits |
//! | `connection` | handshake and routing of one connection |
//! | `tls`, `tls_stream`, `certificate` | TLS, reload of the certificate |
//! | `head`, `headers` | the first request head; header lists |
//! | `forwarded`, `forwarded_header` | the client's address and encryption behind trusted proxies |
//! | `forwarded_host` | the host that it asked for |
//! | `upgrade` | WebSocket handshake; the port to the sessions |
//! | `takeover` | streams over plain HTTP; the port to their sessions |
//! | `http`, `idle` | HTTP by hyper; its idle limits |
//! | `http_limit` | limits on HTTP connections |
//! | `body` | request bodies: total time, the rest that no handler reads |
//! | `error_response` | JSON errors before the REST API |
//! | `stream`, `shared_tcp` | [`ClientStream`], plain or TLS; direct writes |
//! | `io_uring` | [`IoUringWriter`]: writes to many connections in one system call |

mod accept;
mod bind;
mod body;
mod certificate;
mod connection;
mod context;
mod error_response;
mod forwarded;
mod forwarded_header;
mod forwarded_host;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handlers;
mod head;
mod headers;
mod http;
mod http_limit;
mod idle;
mod io_uring;
mod shared_tcp;
mod stream;
mod takeover;
mod tls;
mod tls_stream;
mod upgrade;

pub use self::accept::serve;
pub use self::bind::{BindError, BoundListener, bind};
pub use self::certificate::{TlsError, TlsFiles};
pub(crate) use self::error_response::ErrorResponse;
pub use self::forwarded::{ClientInfo, TrustedProxies};
pub(crate) use self::forwarded_host::ForwardedHosts;
pub use self::handlers::{Handlers, ListenerRole, UnknownRoute};
pub use self::http_limit::HttpConnections;
pub use self::io_uring::IoUringWriter;
pub use self::stream::ClientStream;
pub use self::takeover::{AcceptedStream, StreamHandler, StreamHead};
pub use self::tls::TlsSource;
pub use self::upgrade::{
    AcceptedUpgrade, AddressCheck, SessionFuture, UpgradeCheck, UpgradeHandler, UpgradeHead,
    UpgradeRefusal,
};
