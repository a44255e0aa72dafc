//! The HTTP client: it follows no redirect, knows no proxy, and connects to public addresses alone unless all are allowed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::reach::is_public;

/// Connections that are kept open to a host, and for how long.
const KEPT: usize = 2;
const KEPT_FOR: Duration = Duration::from_secs(30);

/// The name is one of an address that a webhook must not lead to.
#[derive(Debug, thiserror::Error)]
#[error(
    "the address leads into a private network, which PUSHI_WEBHOOK_ALLOW_PRIVATE=1 would allow"
)]
pub(super) struct Unreachable;

/// Looks a name up, and answers what of it is public: what is connected to is what was checked.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(Box::new(Unreachable).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address may be asked for, as far as it says by itself where it leads: a host that is a number is not looked up.
pub(super) fn check_host(url: &Url) -> Result<(), Unreachable> {
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(Unreachable),
        _ => Ok(()),
    }
}

/// Makes the client. On a machine without root certificates it reaches `http` addresses alone.
pub(super) fn client(timeout: Duration, allow_private: bool) -> reqwest::Result<Client> {
    // The process has one provider; that it was installed before is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder(timeout, allow_private).build().or_else(|error| {
        tracing::warn!(%error, "there are no root certificates: webhooks with https addresses cannot be told");
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
        .pool_max_idle_per_host(KEPT)
        .pool_idle_timeout(KEPT_FOR);
    if allow_private {
        builder
    } else {
        builder.dns_resolver(Arc::new(PublicOnly))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        check_host(&Url::parse(text).unwrap()).is_ok()
    }

    #[test]
    fn hosts_that_are_numbers_are_judged_however_they_are_written() {
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
