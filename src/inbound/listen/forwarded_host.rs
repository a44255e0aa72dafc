//! The host that a client asked for, as trusted proxies forward it.

use std::net::IpAddr;

use super::forwarded::TrustedProxies;
use super::headers::Headers;

/// The hosts that trusted proxies forward, in lower case; a request without any has no such extension. Of several proxies each may
/// add the host that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForwardedHosts(pub Vec<String>);

impl ForwardedHosts {
    /// Those of a request. `peer` is the other end of the TCP connection. The head bounds their number.
    pub(super) fn of(
        proxies: &TrustedProxies,
        peer: IpAddr,
        headers: &Headers<'_>,
    ) -> Option<Self> {
        let mut names = headers.list("x-forwarded-host").peekable();
        let mut elements = headers.list("forwarded").peekable();
        if (names.peek().is_none() && elements.peek().is_none())
            || !proxies.contains(peer.to_canonical())
        {
            return None;
        }
        let text = |host| std::str::from_utf8(host).ok();
        // RFC 7239, section 4: `for=…;host="…"`.
        let parameters = elements.filter_map(text).flat_map(|pairs| pairs.split(';'));
        let hosts = parameters.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("host")
                .then(|| value.trim().trim_matches('"'))
        });
        let hosts: Vec<_> = names
            .filter_map(text)
            .chain(hosts)
            .filter(|host| !host.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        (!hosts.is_empty()).then_some(Self(hosts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_forwards_hosts() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let of = |peer: &str, headers: &[(&'static str, &'static str)]| {
            let headers = Headers::new(
                headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_bytes())),
            );
            ForwardedHosts::of(&proxies, peer.parse().unwrap(), &headers)
                .map(|hosts| hosts.0.join(" "))
        };
        let name = ("X-Forwarded-Host", "Chat.Example:8443, inner");
        let element = (
            "Forwarded",
            "for=1.1.1.1;Host=\"chat.example\";proto=https, for=2.2.2.2",
        );
        assert_eq!(
            of("::ffff:10.0.0.1", &[name]).as_deref(),
            Some("chat.example:8443 inner")
        );
        assert_eq!(of("10.0.0.1", &[element]).as_deref(), Some("chat.example"));
        assert_eq!(of("9.9.9.9", &[name, element]), None);
        assert_eq!(of("10.0.0.1", &[("host", "x")]), None);
    }
}
