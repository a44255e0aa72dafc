//! Requests of processes on this machine.

use std::net::{IpAddr, Ipv6Addr};

use poem::Request;
use poem::http::{HeaderName, Version, header};

use crate::inbound::listen::ClientInfo;

/// Headers with which proxies, load balancers and content delivery networks name the client or
/// themselves. A name with a hyphen at its end is a prefix, one with a hyphen at its start a suffix.
const FORWARDING: [&str; 28] = [
    "forwarded",
    "via",
    "client-ip",
    "remote-ip",
    "remote-addr",
    "cdn-loop",
    "front-end-https",
    "proxy-connection",
    "x-forwarded",
    "x-forwarded-",
    "x-original-",
    "x-real-",
    "x-remote-",
    "x-proxy-",
    "x-envoy-",
    "x-nginx-",
    "x-arr-",
    "x-azure-",
    "x-amz-",
    "x-amzn-",
    "x-appengine-",
    "x-cluster-",
    "x-scheme",
    "x-host",
    "cf-",
    "-client-ip",
    "-connecting-ip",
    "-proxied-by",
];

/// Whether a request certainly comes from a process of this machine, not from a page in a browser and
/// not through a proxy.
///
/// A proxy on this machine connects from a loopback address, too. It is recognised by the headers
/// that it adds, by a `Host` that clients elsewhere use, and, where it adds and keeps none of them, by
/// HTTP/1.0, which nginx speaks to servers as long as it is not configured otherwise.
pub(super) fn is_local(request: &Request) -> bool {
    is_from_this_machine(request) && is_no_page(request)
}

/// Whether a request comes from a program or a page in a browser on this machine, not through a proxy.
pub(super) fn is_from_this_machine(request: &Request) -> bool {
    let from_loopback = request
        .extensions()
        .get::<ClientInfo>()
        .is_some_and(|client| client.ip.is_loopback() && !client.forwarded);
    from_loopback
        && request.version() != Version::HTTP_10
        && !request.headers().keys().any(is_forwarding)
        && names_loopback(request)
}

fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str();
    FORWARDING.iter().any(|known| {
        if known.ends_with('-') {
            name.starts_with(known)
        } else if known.starts_with('-') {
            name.ends_with(known)
        } else {
            name == *known
        }
    })
}

/// Browsers send `Origin` with requests that a page may read the answers of, and newer ones
/// `Sec-Fetch-Site` with all; `none`: the user entered the address.
fn is_no_page(request: &Request) -> bool {
    let headers = request.headers();
    !headers.contains_key(header::ORIGIN)
        && headers
            .get_all("sec-fetch-site")
            .iter()
            .all(|site| matches!(site.as_bytes(), b"none" | b"same-origin"))
}

/// Whether each name that the request gives the server is one of the loopback, so that a name of
/// another site that resolves to it is not (DNS rebinding).
fn names_loopback(request: &Request) -> bool {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let hosts = request.headers().get_all(header::HOST);
    request.headers().contains_key(header::HOST)
        && hosts
            .iter()
            .map(|host| host.to_str().ok())
            .chain(authority.map(Some))
            .all(|host| host.is_some_and(is_loopback))
}

/// Whether a host, with or without a port, is a loopback name (RFC 6761, section 6.3) or address.
fn is_loopback(host: &str) -> bool {
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let address = rest
                .split_once(']')
                .and_then(|(address, _)| address.parse().ok());
            return address
                .is_some_and(|address: Ipv6Addr| IpAddr::V6(address).to_canonical().is_loopback());
        }
        None => host.split(':').next().unwrap_or_default(),
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.is_loopback();
    }
    is_loopback_name(host)
}

/// Whether a name without a port is one of the loopback (RFC 6761, section 6.3).
pub(super) fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_addresses() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "pushi.localhost:1",
            "127.0.0.1",
            "127.9.9.9:8080",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "a",
            "localhost.example",
            "xlocalhost",
            "127.0.0.1.example",
            "10.0.0.1:80",
            "[::2]",
            "[::1",
            "0.0.0.0",
            "128.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
