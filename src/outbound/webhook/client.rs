//! The HTTP client: without redirects and proxies, and limited to public addresses unless all are allowed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::address_filter::is_public;

/// Maximum number of idle connections per host, and their maximum idle time.
const IDLE_PER_HOST: usize = 2;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The host is, or resolves to, addresses that are not public.
#[derive(Debug, thiserror::Error)]
#[error("the address is in a private network; PUSHI_WEBHOOK_ALLOW_PRIVATE=1 allows it")]
pub(super) struct PrivateAddress;

/// Resolves a name to its public addresses. The client connects to these same addresses, so a second lookup cannot return
/// another one (DNS rebinding).
struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(Box::new(PrivateAddress).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Checks a host that is an IP address, which is never resolved. Names are checked by [`PublicResolver`].
pub(super) fn check_host(url: &Url) -> Result<(), PrivateAddress> {
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(PrivateAddress),
        _ => Ok(()),
    }
}

/// Builds the client. On a machine without root certificates only `http` addresses work.
pub(super) fn http_client(timeout: Duration, allow_private: bool) -> reqwest::Result<Client> {
    // The provider is global; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder(timeout, allow_private).build().or_else(|error| {
        tracing::warn!(%error, "no root certificates, https webhooks fail");
        builder(timeout, allow_private).tls_certs_only([]).build()
    })
}

fn builder(timeout: Duration, allow_private: bool) -> ClientBuilder {
    let builder = Client::builder()
        .timeout(timeout)
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .user_agent(concat!("pushi/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT);
    if allow_private {
        builder
    } else {
        builder.dns_resolver(Arc::new(PublicResolver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        check_host(&Url::parse(text).unwrap()).is_ok()
    }

    #[test]
    fn ip_addresses_are_checked_in_every_notation() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]:80/",
            "http://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
        ] {
            assert!(!check(text), "{text}");
        }
        assert!(
            check("http://1.1.1.1/")
                && check("https://[2606:4700::1111]/")
                && check("https://shop.example/")
        );
    }
}
