//! WebSocket, HTTP and TLS from the client's side, without blocking.

pub(crate) mod connection;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod tls;
