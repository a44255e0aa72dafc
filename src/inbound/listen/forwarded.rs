//! Who a client is, also behind a proxy.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::headers::Headers;

/// Headers that say that a request was forwarded, believed or not.
const FORWARDING: [&str; 5] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "via",
];

/// Who a client is. Every poem request has it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's address: the peer's, or what trusted proxies say. An IPv4 address is never shown as IPv6.
    pub ip: IpAddr,
    /// Whether the client speaks TLS, to us or to a trusted proxy.
    pub secure: bool,
    /// Whether the request has a forwarding header: then it did not begin on this machine, whatever the address says.
    pub forwarded: bool,
}

/// Whose forwarding headers are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From addresses and networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Who sent a request: `peer` is who is at the other end of the connection, `secure` whether that is TLS.
    pub(super) fn client(&self, peer: IpAddr, secure: bool, headers: &Headers<'_>) -> ClientInfo {
        let peer = peer.to_canonical();
        let forwarded = FORWARDING.iter().any(|name| headers.first(name).is_some());
        if !forwarded || !self.trusts(peer) {
            return ClientInfo {
                ip: peer,
                secure,
                forwarded,
            };
        }
        let proto = headers.list("x-forwarded-proto").next_back();
        let secure = proto.map_or(secure, |proto| proto.eq_ignore_ascii_case(b"https"));
        ClientInfo {
            ip: client_of(peer, self, headers),
            secure,
            forwarded,
        }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// The right-most address that is no trusted proxy: what stands left of it is only what somebody said.
fn client_of(peer: IpAddr, proxies: &TrustedProxies, headers: &Headers<'_>) -> IpAddr {
    let mut client = peer;
    for entry in headers.list("x-forwarded-for").rev() {
        let Some(ip) = address(entry) else { break };
        client = ip;
        if !proxies.trusts(ip) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, and with a port or without.
fn address(entry: &[u8]) -> Option<IpAddr> {
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

    fn of(peer: &str, headers: &[(&'static str, &'static str)]) -> (String, bool, bool) {
        let proxies = TrustedProxies::new(vec![
            "10.0.0.0/8".parse().unwrap(),
            "127.0.0.1/32".parse().unwrap(),
        ]);
        let headers = Headers::of(
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let client = proxies.client(peer.parse().unwrap(), false, &headers);
        (client.ip.to_string(), client.secure, client.forwarded)
    }

    #[test]
    fn without_a_header_it_is_the_peer() {
        assert_eq!(of("10.0.0.1", &[]), ("10.0.0.1".into(), false, false));
        assert_eq!(of("::ffff:9.9.9.9", &[]), ("9.9.9.9".into(), false, false));
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_not_believed() {
        let headers = [
            ("X-Forwarded-For", "1.1.1.1"),
            ("X-Forwarded-Proto", "https"),
        ];
        assert_eq!(of("9.9.9.9", &headers), ("9.9.9.9".into(), false, true));
    }

    #[test]
    fn it_is_the_right_most_address_that_is_no_trusted_proxy() {
        let of = |list: &'static str| of("10.0.0.1", &[("X-Forwarded-For", list)]).0;
        assert_eq!(of("6.6.6.6, 1.1.1.1, 10.0.0.2"), "1.1.1.1");
        assert_eq!(of("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(of("1.1.1.1:4711"), "1.1.1.1");
        assert_eq!(of("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(of("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(of("::ffff:1.1.1.1"), "1.1.1.1");
        // What cannot be read ends what can be believed.
        assert_eq!(of("1.1.1.1, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(of(""), "10.0.0.1");
    }

    #[test]
    fn several_lines_are_one_list() {
        let headers = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "10.0.0.2"),
        ];
        assert_eq!(of("::ffff:127.0.0.1", &headers).0, "1.1.1.1");
    }

    #[test]
    fn a_trusted_proxy_says_whether_it_is_tls() {
        assert!(of("10.0.0.1", &[("x-forwarded-proto", "https")]).1);
        assert!(!of("10.0.0.1", &[("x-forwarded-proto", "https, http")]).1);
    }

    #[test]
    fn any_forwarding_header_marks_the_request() {
        for name in FORWARDING {
            assert!(of("127.0.0.1", &[(name, "x")]).2, "{name}");
        }
        assert!(!of("127.0.0.1", &[("host", "x")]).2);
    }
}
