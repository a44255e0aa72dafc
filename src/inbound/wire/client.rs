//! What the listener knows of a request; it goes with it as a request extension.

use std::net::IpAddr;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's address: the peer's, or what a trusted proxy said.
    pub ip: IpAddr,
    /// Whether the request came encrypted, up to here or to a trusted proxy.
    pub secure: bool,
    /// Whether it carries a forwarding header, from whomever.
    pub forwarded: bool,
}

impl ClientInfo {
    /// Whether the request was made on this machine, and not for somebody else: a proxy shows in its forwarding header.
    pub fn is_local(&self) -> bool {
        self.ip.to_canonical().is_loopback() && !self.forwarded
    }
}

/// Which listener a request came through; it goes with it as a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// `APP_HOST`, `APP_PORT`.
    Api,
    /// `SERVER_HOST`, `SERVER_PORT`.
    WebSocket,
}
