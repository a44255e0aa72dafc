//! WebSocket upgrades: the port between the listener and the sessions.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use hyper::{Method, Uri, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::forwarded::ClientInfo;
use super::headers::Headers;
use super::stream::ClientStream;
use crate::core::service::Encryption;

/// The parts of an upgrade request that the handler may use.
#[derive(Debug, Clone)]
pub struct UpgradeHead<'a> {
    /// The path as sent (percent-encoded).
    pub path: &'a str,
    /// The query string as sent, without the `?`.
    pub query: Option<&'a str>,
    /// The `Origin` header. Browsers always send it.
    pub origin: Option<Cow<'a, str>>,
    /// The client's address, behind trusted proxies.
    pub ip: IpAddr,
    /// Whether the client uses TLS, to this server or to a trusted proxy.
    pub encryption: Encryption,
}

/// Refuses an upgrade before the WebSocket exists. The client receives a JSON error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRefusal {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The error's name, in the `name` field of the response.
    pub name: &'static str,
    /// The cause and how to correct it, without secrets.
    pub message: String,
}

/// A session that runs until its connection is closed.
pub type SessionFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The handler of upgrade requests.
pub trait UpgradeHandler: Send + Sync + 'static {
    /// Accepts or refuses an upgrade by its head, which is a valid WebSocket handshake. Must not
    /// block. After `Ok`, and unless [`AcceptedUpgrade::check`] refuses it, the listener sends
    /// `101`, calls [`AcceptedUpgrade::run`] and spawns the session.
    ///
    /// # Errors
    /// The refusal to send to the client.
    fn accept(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn AcceptedUpgrade>, UpgradeRefusal>;

    /// Whether WebSocket clients connect at this path, which no route has. A plain request
    /// to it is answered with 426.
    fn is_address<'a>(&'a self, path: &'a str) -> AddressCheck<'a>;
}

/// A pending lookup of a WebSocket address.
pub type AddressCheck<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// A pending check of an upgrade; returns the refusal if it fails.
pub type UpgradeCheck<'a> = Pin<Box<dyn Future<Output = Option<UpgradeRefusal>> + Send + 'a>>;

/// An accepted upgrade. Dropped without a call to `run` if the client disconnects before `101` is
/// sent.
pub trait AcceptedUpgrade: Send {
    /// A check that needs I/O, awaited before `101` is sent. `None`: no check is needed.
    fn check(&mut self) -> Option<UpgradeCheck<'_>>;

    /// Creates the session, which owns the stream from here on.
    fn run(self: Box<Self>, stream: ClientStream) -> SessionFuture;
}

const KEY_HEADER: &str = "sec-websocket-key";
const VERSION_HEADER: &str = "sec-websocket-version";

/// Whether a request has headers of a WebSocket handshake. Unlike `Upgrade`, proxies pass them on
/// without being configured for it.
pub(super) fn has_handshake_headers(headers: &Headers<'_>) -> bool {
    [KEY_HEADER, VERSION_HEADER]
        .iter()
        .any(|name| headers.first(name).is_some())
}

/// A WebSocket upgrade request.
pub(super) struct UpgradeRequest<'a> {
    uri: &'a Uri,
    headers: Headers<'a>,
}

/// The reason why an upgrade request is answered with an error.
pub(super) enum UpgradeError {
    /// The WebSocket handshake is invalid.
    Handshake(&'static str),
    /// The version is not 13. The response names the supported one (RFC 6455, section 4.4).
    Version,
    /// The handshake is valid; the handler has refused it.
    Refused(UpgradeRefusal),
}

impl<'a> UpgradeRequest<'a> {
    /// `None`: the request does not ask for a WebSocket and is served as ordinary HTTP.
    pub(super) fn detect(
        method: &Method,
        uri: &'a Uri,
        version: Version,
        headers: &Headers<'a>,
    ) -> Option<Self> {
        let is_upgrade = method == Method::GET
            && version >= Version::HTTP_11
            && headers.has_token("upgrade", "websocket")
            && headers.has_token("connection", "upgrade");
        is_upgrade.then(|| Self {
            uri,
            headers: headers.clone(),
        })
    }

    /// Validates the handshake and passes it to `handler`. Returns the value of
    /// `Sec-WebSocket-Accept` and the accepted upgrade, whose check the caller awaits.
    ///
    /// # Errors
    /// The handshake is invalid, or `handler` refuses it.
    pub(super) fn accept(
        &self,
        handler: &dyn UpgradeHandler,
        client: ClientInfo,
        encryption: Encryption,
    ) -> Result<(String, Box<dyn AcceptedUpgrade>), UpgradeError> {
        if self.headers.first(VERSION_HEADER) != Some(b"13") {
            return Err(UpgradeError::Version);
        }
        let key = self
            .headers
            .first(KEY_HEADER)
            .ok_or(UpgradeError::Handshake("Sec-WebSocket-Key is missing"))?;
        if !is_nonce(key) {
            return Err(UpgradeError::Handshake(
                "Sec-WebSocket-Key is not 16 bytes in Base64",
            ));
        }
        let head = UpgradeHead {
            path: self.uri.path(),
            query: self.uri.query(),
            origin: self.headers.first("origin").map(String::from_utf8_lossy),
            ip: client.ip,
            encryption,
        };
        let accepted = handler.accept(&head).map_err(UpgradeError::Refused)?;
        Ok((derive_accept_key(key), accepted))
    }
}

/// Whether a key is 16 bytes in Base64 (RFC 6455, section 4.1). The four bits after the last byte may
/// be set and padding may be missing: the key is only hashed as it was sent.
fn is_nonce(key: &[u8]) -> bool {
    let digits = key
        .strip_suffix(b"==")
        .or_else(|| key.strip_suffix(b"="))
        .unwrap_or(key);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.len() == 22 && digits.iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_decodes_to_16_bytes() {
        for good in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZf==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "//////////////////////==",
            "++++++++++++++++++++++",
        ] {
            assert!(is_nonce(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZ",
            "dGhlIHNhbXBsZSBub25jZQA",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "dGhlIHNhbXBs=SBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j ZQ==",
        ] {
            assert!(!is_nonce(bad.as_bytes()), "{bad}");
        }
    }
}
