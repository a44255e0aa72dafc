//! WebSocket upgrades: the seam to the room where sessions live.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use data_encoding::BASE64;
use hyper::{Method, Uri, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::forwarded::ClientInfo;
use super::headers::Headers;
use super::stream::ClientStream;

/// What the head of an upgrade request says.
#[derive(Debug, Clone)]
pub struct UpgradeHead<'a> {
    /// The path, as it was sent (percent-encoded).
    pub path: &'a str,
    /// What stands behind the `?`, as it was sent.
    pub query: Option<&'a str>,
    /// The `Origin` header; browsers always send it.
    pub origin: Option<Cow<'a, str>>,
    /// The client's address, behind trusted proxies.
    pub ip: IpAddr,
    /// Whether the client speaks TLS, to us or to a trusted proxy.
    pub secure: bool,
}

/// An upgrade that is refused before the WebSocket exists. It is answered as a JSON error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The error's name.
    pub name: &'static str,
    /// What was wrong and what to do about it; no secrets.
    pub message: String,
}

/// What a session does.
pub type Session = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where upgrades go.
pub trait Sockets: Send + Sync + 'static {
    /// Judges an upgrade by its head, which is a correct WebSocket handshake; quick, and never waits. `Ok`: where nothing
    /// stands against it ([`Admitted::refusal`]) `101` is written, then [`Admitted::run`] is called and its session spawned.
    fn judge(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn Admitted>, Refusal>;
}

/// What is still being asked about an upgrade.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Option<Refusal>> + Send + 'a>>;

/// An upgrade that was let in. It is dropped without a call where the client is gone before `101` is written.
pub trait Admitted: Send {
    /// What stands against it that cannot be told at once; asked before `101` is written. `None`: there is nothing to ask.
    fn refusal(&mut self) -> Option<Asking<'_>>;

    /// The session: it owns the stream and ends when the connection does.
    fn run(self: Box<Self>, stream: ClientStream) -> Session;
}

/// A request that asks for a WebSocket.
pub struct UpgradeRequest<'a> {
    uri: &'a Uri,
    headers: Headers<'a>,
}

/// Why a request for a WebSocket is answered with an error.
pub enum Declined {
    /// The handshake itself is wrong.
    Handshake(&'static str),
    /// The version is not 13; the answer says which one is (RFC 6455, section 4.4).
    Version,
    /// The handshake is right, and refused.
    Refused(Refusal),
}

impl<'a> UpgradeRequest<'a> {
    /// `None` where the request does not ask for a WebSocket: it is an ordinary one then.
    pub fn of(
        method: &Method,
        uri: &'a Uri,
        version: Version,
        headers: &Headers<'a>,
    ) -> Option<Self> {
        let asks = method == Method::GET
            && version >= Version::HTTP_11
            && headers.has_token("upgrade", "websocket")
            && headers.has_token("connection", "upgrade");
        asks.then(|| Self {
            uri,
            headers: headers.clone(),
        })
    }

    /// Judges it, but for what must be asked: the value for `Sec-WebSocket-Accept`, and whom it let in.
    pub fn judge(
        &self,
        sockets: &dyn Sockets,
        client: ClientInfo,
    ) -> Result<(String, Box<dyn Admitted>), Declined> {
        if self.headers.first("sec-websocket-version") != Some(b"13") {
            return Err(Declined::Version);
        }
        let key = self
            .headers
            .first("sec-websocket-key")
            .ok_or(Declined::Handshake("Sec-WebSocket-Key is missing"))?;
        // RFC 6455, section 4.1: sixteen random bytes in Base64.
        if !BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
            return Err(Declined::Handshake(
                "Sec-WebSocket-Key is not 16 bytes in Base64",
            ));
        }
        let head = UpgradeHead {
            path: self.uri.path(),
            query: self.uri.query(),
            origin: self.headers.first("origin").map(String::from_utf8_lossy),
            ip: client.ip,
            secure: client.secure,
        };
        let admitted = sockets.judge(&head).map_err(Declined::Refused)?;
        Ok((derive_accept_key(key), admitted))
    }
}
