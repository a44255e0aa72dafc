//! URLs of the listeners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::config::Listener;

/// The `http://…` or `https://…` URL of a listener at `port`, without a path; see [`local_host`]
/// for its host.
pub(super) fn api_url(listener: &Listener, port: u16) -> String {
    let scheme = if listener.tls.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}:{port}", local_host(&listener.host))
}

/// The `ws://…` or `wss://…` URL of a listener at `port`, without a path; see [`local_host`] for
/// its host.
pub(super) fn socket_url(listener: &Listener, port: u16) -> String {
    let scheme = if listener.tls.is_some() { "wss" } else { "ws" };
    format!("{scheme}://{}:{port}", local_host(&listener.host))
}

/// The host of a URL that works on this machine: the loopback address if the listener accepts on
/// all addresses.
fn local_host(host: &str) -> Host<&str> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Host::Ipv4(Ipv4Addr::LOCALHOST),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => Host::Ipv6(Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V4(address)) => Host::Ipv4(address),
        Ok(IpAddr::V6(address)) => Host::Ipv6(address),
        Err(_) => Host::Domain(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Raw, TlsSettings, resolve};

    fn listener(host: &str, tls: bool) -> Listener {
        let tls = tls.then(|| TlsSettings {
            key: "k".into(),
            cer: "c".into(),
        });
        Listener {
            host: host.into(),
            tls,
            ..resolve(&Raw::default()).unwrap().settings.listen.api
        }
    }

    #[test]
    fn urls_work_on_this_machine() {
        assert_eq!(
            api_url(&listener("127.0.0.1", false), 8080),
            "http://127.0.0.1:8080"
        );
        assert_eq!(
            api_url(&listener("0.0.0.0", true), 1),
            "https://127.0.0.1:1"
        );
        assert_eq!(socket_url(&listener("::", false), 1), "ws://[::1]:1");
        assert_eq!(
            socket_url(&listener("fd00::1", true), 1),
            "wss://[fd00::1]:1"
        );
        assert_eq!(
            api_url(&listener("chat.example", true), 443),
            "https://chat.example:443"
        );
    }
}
