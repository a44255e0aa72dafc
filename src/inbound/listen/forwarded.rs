//! The address of a client, also behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::headers::Headers;

/// Headers that mark a request as forwarded, whether or not the peer is trusted.
const FORWARDING_HEADERS: [&str; 5] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
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

    /// Returns the client of a request. `peer` is the other end of the TCP connection, `secure`
    /// whether that connection uses TLS.
    pub(super) fn client_info(
        &self,
        peer: IpAddr,
        secure: bool,
        headers: &Headers<'_>,
    ) -> ClientInfo {
        let peer = peer.to_canonical();
        let forwarded = FORWARDING_HEADERS
            .iter()
            .any(|name| headers.first(name).is_some());
        if !forwarded || !self.contains(peer) {
            return ClientInfo {
                ip: peer,
                secure,
                forwarded,
            };
        }
        let proto = headers.list("x-forwarded-proto").next_back();
        let secure = proto.map_or(secure, |proto| proto.eq_ignore_ascii_case(b"https"));
        ClientInfo {
            ip: client_address(peer, self, headers),
            secure,
            forwarded,
        }
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// Returns the right-most address that is not a trusted proxy. Any client can forge the entries to
/// its left.
fn client_address(peer: IpAddr, proxies: &TrustedProxies, headers: &Headers<'_>) -> IpAddr {
    let mut client = peer;
    for entry in headers.list("x-forwarded-for").rev() {
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
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
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
        let client = proxies.client_info(peer.parse().unwrap(), false, &headers);
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

    #[test]
    fn a_trusted_proxy_forwards_whether_the_client_uses_tls() {
        assert!(client("10.0.0.1", &[("x-forwarded-proto", "https")]).1);
        assert!(!client("10.0.0.1", &[("x-forwarded-proto", "https, http")]).1);
    }

    #[test]
    fn any_forwarding_header_marks_the_request() {
        for name in FORWARDING_HEADERS {
            assert!(client("127.0.0.1", &[(name, "x")]).2, "{name}");
        }
        assert!(!client("127.0.0.1", &[("host", "x")]).2);
    }
}
