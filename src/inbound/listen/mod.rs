//! The listener: from an address to a request or a WebSocket.
//!
//! [`bind`] takes an address, [`serve`] accepts what comes there until it is told to stop. Each connection goes through
//! TLS where there is any, then its first request head is read here, in one small buffer and under one time limit:
//! - a WebSocket upgrade is judged by [`Sockets`], answered `101`, and its session runs in a task of its own that holds
//!   nothing but a [`ClientStream`];
//! - anything else goes, with the bytes already read, to hyper and from there to the REST endpoint. An upgrade that
//!   comes later on such a connection is judged in the same way.
//!
//! The acceptor is our own because poem's has no limit on the time of a request head, no `TCP_NODELAY` and no back-off.

mod accept;
mod alarm;
mod answer;
mod bind;
mod certificate;
mod connection;
mod forwarded;
mod head;
mod headers;
mod http;
mod patience;
mod plain;
mod ring;
mod site;
mod stream;
mod tls;
mod upgrade;

pub use accept::serve;
pub use bind::{BindError, Bound, bind};
pub use forwarded::{ClientInfo, TrustedProxies};
pub use ring::Rings;
pub use site::{ListenerRole, Site};
pub use stream::ClientStream;
pub use tls::{TlsError, TlsFiles, TlsSource};
pub use upgrade::{Admitted, Asking, Refusal, Session, Sockets, UpgradeHead};
