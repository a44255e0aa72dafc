//! The address of a client, also behind trusted proxies.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::forwarded_header;
use super::headers::Headers;
use crate::core::service::Encryption;

/// Headers in which proxies state the client's scheme.
const SCHEME_HEADERS: [&str; 3] = ["x-forwarded-proto", "x-forwarded-scheme", "x-scheme"];
/// Headers with which proxies state by `on` that the client uses TLS.
const TLS_HEADERS: [&str; 2] = ["x-forwarded-ssl", "front-end-https"];

/// Headers that mark a request as forwarded, whether or not the peer is trusted.
const FORWARDING_HEADERS: [&str; 11] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-scheme",
    "x-scheme",
    "x-forwarded-ssl",
    "front-end-https",
    "x-real-ip",
    "forwarded",
    "via",
];

/// The client of a request. Every poem request has it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientInfo {
    /// The peer's address, or the one that trusted proxies forward. An IPv4 address is never in its
    /// IPv6-mapped form.
    pub ip: IpAddr,
    /// Whether the client uses TLS, to this server or to a trusted proxy.
    pub secure: bool,
    /// Whether the request has a forwarding header. Such a request does not count as local, even
    /// from a loopback address.
    pub forwarded: bool,
}

/// The proxies whose forwarding headers are trusted.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// A single address is a network with the full prefix.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Returns the client of a request, and what is known about its encryption. `peer` is the other end of the TCP connection, `secure`
    /// whether that connection uses TLS.
    pub(super) fn client_info(
        &self,
        peer: IpAddr,
        secure: bool,
        headers: &Headers<'_>,
    ) -> (ClientInfo, Encryption) {
        let peer = peer.to_canonical();
        let forwarded = FORWARDING_HEADERS
            .iter()
            .any(|name| headers.first(name).is_some());
        let trusted = forwarded && self.contains(peer);
        let stated = trusted.then(|| stated_encryption(headers)).flatten();
        let encryption = match stated {
            Some(stated) => stated,
            None if secure => Encryption::Tls,
            // The proxy may have decrypted the connection.
            None if forwarded => Encryption::Unstated,
            None => Encryption::Plain,
        };
        let client = ClientInfo {
            ip: if trusted {
                client_address(peer, self, headers)
            } else {
                peer
            },
            secure: encryption == Encryption::Tls,
            forwarded,
        };
        (client, encryption)
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// Returns what the proxies state: TLS where any of them was reached by it. `None`: they state nothing
/// that is understood.
///
/// A WebSocket may be forwarded as `wss`. A client can forge the entries of proxies that append to the
/// header, but lies about its own connection alone.
fn stated_encryption(headers: &Headers<'_>) -> Option<Encryption> {
    let lines = headers.all("forwarded");
    let forwarded = lines.flat_map(|line| forwarded_header::parameters(line, "proto"));
    let schemes = SCHEME_HEADERS
        .iter()
        .flat_map(|name| headers.list(name))
        .map(String::from_utf8_lossy)
        .chain(forwarded)
        .filter_map(|scheme| encryption_of(&scheme));
    let switches = TLS_HEADERS
        .iter()
        .flat_map(|name| headers.list(name))
        .filter(|value| value.eq_ignore_ascii_case(b"on"))
        .map(|_| Encryption::Tls);
    schemes.chain(switches).reduce(|one, other| match other {
        Encryption::Tls => other,
        _ => one,
    })
}

fn encryption_of(scheme: &str) -> Option<Encryption> {
    match scheme.trim_matches('"').to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(Encryption::Tls),
        "http" | "ws" => Some(Encryption::Plain),
        _ => None,
    }
}

/// Returns the right-most address that is not a trusted proxy. Any client can forge the entries to
/// its left. `Forwarded` counts where there is no `X-Forwarded-For`.
fn client_address(peer: IpAddr, proxies: &TrustedProxies, headers: &Headers<'_>) -> IpAddr {
    let mut entries: Vec<Cow<'_, str>> = headers
        .list("x-forwarded-for")
        .map(String::from_utf8_lossy)
        .collect();
    if entries.is_empty() {
        let lines = headers.all("forwarded");
        entries.extend(lines.flat_map(|line| forwarded_header::parameters(line, "for")));
    }
    let mut client = peer;
    for entry in entries.iter().rev() {
        let Some(ip) = parse_address(entry) else {
            break;
        };
        client = ip;
        if !proxies.contains(ip) {
            break;
        }
    }
    client
}

/// Parses an address as proxies write it: with or without brackets, with or without a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let ip = bare
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &'static str)]) -> (String, bool, bool) {
        let proxies = TrustedProxies::new(vec![
            "10.0.0.0/8".parse().unwrap(),
            "127.0.0.1/32".parse().unwrap(),
        ]);
        let headers = Headers::new(
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let (client, _) = proxies.client_info(peer.parse().unwrap(), false, &headers);
        (client.ip.to_string(), client.secure, client.forwarded)
    }

    #[test]
    fn without_a_header_the_client_is_the_peer() {
        assert_eq!(client("10.0.0.1", &[]), ("10.0.0.1".into(), false, false));
        assert_eq!(
            client("::ffff:9.9.9.9", &[]),
            ("9.9.9.9".into(), false, false)
        );
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        let headers = [
            ("X-Forwarded-For", "1.1.1.1"),
            ("X-Forwarded-Proto", "https"),
        ];
        assert_eq!(client("9.9.9.9", &headers), ("9.9.9.9".into(), false, true));
    }

    #[test]
    fn the_client_is_the_right_most_untrusted_address() {
        let client = |list: &'static str| client("10.0.0.1", &[("X-Forwarded-For", list)]).0;
        assert_eq!(client("6.6.6.6, 1.1.1.1, 10.0.0.2"), "1.1.1.1");
        assert_eq!(client("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(client("1.1.1.1:4711"), "1.1.1.1");
        assert_eq!(client("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(client("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(client("::ffff:1.1.1.1"), "1.1.1.1");
        // An entry that cannot be parsed ends the trusted part.
        assert_eq!(client("1.1.1.1, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(client(""), "10.0.0.1");
    }

    #[test]
    fn several_header_lines_are_one_list() {
        let headers = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "10.0.0.2"),
        ];
        assert_eq!(client("::ffff:127.0.0.1", &headers).0, "1.1.1.1");
    }

    fn encryption(peer: &str, headers: &[(&'static str, &'static str)]) -> Encryption {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        let headers = Headers::new(headers);
        proxies
            .client_info(peer.parse().unwrap(), false, &headers)
            .1
    }

    #[test]
    fn a_trusted_proxy_states_whether_the_client_uses_tls() {
        let of = |headers: &[(&'static str, &'static str)]| encryption("10.0.0.1", headers);
        for value in [
            "https",
            "wss",
            "HTTPS",
            "Wss",
            "https, http",
            "http,wss",
            "http , https",
            "\"https\"",
        ] {
            for name in ["X-Forwarded-Proto", "x-forwarded-scheme", "X-Scheme"] {
                assert_eq!(of(&[(name, value)]), Encryption::Tls, "{name}: {value}");
            }
        }
        let lines = [("x-forwarded-proto", "http"), ("x-forwarded-proto", "wss")];
        assert_eq!(of(&lines), Encryption::Tls);
        for value in [
            "proto=https",
            "for=1.1.1.1;Proto=\"wss\";by=2.2.2.2",
            "for=1.1.1.1;proto=http, proto=https",
        ] {
            assert_eq!(of(&[("Forwarded", value)]), Encryption::Tls, "{value}");
        }
        assert_eq!(of(&[("x-forwarded-ssl", "On")]), Encryption::Tls);
        for (name, value) in [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "ws"),
            ("forwarded", "for=1.1.1.1;proto=ws"),
        ] {
            assert_eq!(of(&[(name, value)]), Encryption::Plain, "{name}: {value}");
        }
    }

    #[test]
    fn what_no_trusted_proxy_states_is_unknown() {
        for (peer, name, value) in [
            ("10.0.0.1", "x-forwarded-for", "1.1.1.1"),
            ("10.0.0.1", "x-forwarded-proto", "gopher"),
            ("10.0.0.1", "x-forwarded-proto", ""),
            ("10.0.0.1", "forwarded", "for=1.1.1.1"),
            ("9.9.9.9", "x-forwarded-proto", "https"),
            ("9.9.9.9", "x-forwarded-proto", "http"),
        ] {
            let found = encryption(peer, &[(name, value)]);
            assert_eq!(found, Encryption::Unstated, "{name}: {value}");
        }
        assert_eq!(encryption("9.9.9.9", &[]), Encryption::Plain);
    }

    #[test]
    fn forwarded_names_the_client_where_nothing_else_does() {
        let client = |list: &'static str| client("10.0.0.1", &[("Forwarded", list)]).0;
        assert_eq!(client("for=1.1.1.1;proto=https, for=10.0.0.2"), "1.1.1.1");
        assert_eq!(
            client("for=\"[2001:db8::1]:4711\", for=10.0.0.2"),
            "2001:db8::1"
        );
        assert_eq!(client("for=1.1.1.1, for=_hidden"), "10.0.0.1");
    }

    #[test]
    fn any_forwarding_header_marks_the_request() {
        for name in FORWARDING_HEADERS {
            assert!(client("127.0.0.1", &[(name, "x")]).2, "{name}");
        }
        assert!(!client("127.0.0.1", &[("host", "x")]).2);
    }
}
