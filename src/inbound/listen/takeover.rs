//! Streams over plain HTTP: the port between the listener and their sessions.
//!
//! A stream lasts as long as a WebSocket, so it is taken over in the same way: its session owns the
//! [`ClientStream`] and writes the whole response itself. A connection of hyper with a response body
//! would take several times the memory, and publishers could not write to it.

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::{Method, Uri};

use super::forwarded::ClientInfo;
use super::headers::Headers;
use super::stream::ClientStream;
use super::upgrade::SessionFuture;
use crate::core::service::Encryption;

/// The parts of a request for a stream that the handler may use.
#[derive(Debug, Clone)]
pub struct StreamHead<'a> {
    /// The path as sent (percent-encoded).
    pub path: &'a str,
    /// The query string as sent, without the `?`.
    pub query: Option<&'a str>,
    /// The `Accept` headers, joined; `None`: there is none.
    pub accept: Option<String>,
    /// The `Last-Event-ID` header.
    pub last_event_id: Option<Cow<'a, str>>,
    /// The `Authorization` header.
    pub authorization: Option<Cow<'a, str>>,
    /// The `Origin` header. Browsers send it to other origins than the page's.
    pub origin: Option<Cow<'a, str>>,
    /// Whether a browser sent the request (`Sec-Fetch-Mode`).
    pub is_browser: bool,
    /// The client's address, behind trusted proxies.
    pub ip: IpAddr,
    /// Whether the client uses TLS, to this server or to a trusted proxy.
    pub encryption: Encryption,
}

/// The handler of requests for streams.
pub trait StreamHandler: Send + Sync + 'static {
    /// Takes over a request; `None`: it is not for a stream, and is served as ordinary HTTP. Must not
    /// block.
    fn accept(&self, head: &StreamHead<'_>) -> Option<Box<dyn AcceptedStream>>;
}

/// A request for a stream.
pub trait AcceptedStream: Send {
    /// Creates the session, which owns the stream from here on: it answers the request, and closes
    /// the connection.
    fn run(self: Box<Self>, stream: ClientStream) -> SessionFuture;
}

/// Passes a GET request to `handler`.
pub(super) fn detect(
    handler: &dyn StreamHandler,
    (method, uri): (&Method, &Uri),
    headers: &Headers<'_>,
    client: ClientInfo,
    encryption: Encryption,
) -> Option<Box<dyn AcceptedStream>> {
    if method != Method::GET {
        return None;
    }
    let text = |name| headers.first(name).map(String::from_utf8_lossy);
    let accept: Vec<_> = headers.all("accept").map(String::from_utf8_lossy).collect();
    handler.accept(&StreamHead {
        path: uri.path(),
        query: uri.query(),
        accept: (!accept.is_empty()).then(|| accept.join(",")),
        last_event_id: text("last-event-id"),
        authorization: text("authorization"),
        origin: text("origin"),
        is_browser: text("sec-fetch-mode").is_some(),
        ip: client.ip,
        encryption,
    })
}
