//! The HTTP client for web hooks and push services: without redirects and proxies, and limited to public addresses unless all are
//! allowed.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};

use super::address_filter::is_public;

/// Maximum number of idle connections per host, and their maximum idle time.
const IDLE_PER_HOST: usize = 2;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Response bytes that are read so that the connection can be reused; a longer response closes it.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// Maximum length of an error text.
const MAX_ERROR_CHARS: usize = 300;

/// The host is, or resolves to, addresses that are not public.
#[derive(Debug, thiserror::Error)]
#[error("the address is in a private network; PUSHI_WEBHOOK_ALLOW_PRIVATE=1 allows it")]
struct PrivateAddress;

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

/// The answer of a receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// The time until another attempt, where the receiver names one.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer; the text contains no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFailure {
    /// The address is none, or is in a private network.
    #[error("{0}")]
    Address(String),
    /// The request failed.
    #[error("{0}")]
    Request(String),
}

/// The client. Its connections are shared by all that use it.
pub struct HttpClient {
    allow_private: bool,
    /// Built on first use, because this reads the root certificates.
    client: OnceLock<Client>,
}

impl HttpClient {
    /// `allow_private` disables the address filter.
    pub fn new(allow_private: bool) -> Self {
        Self {
            allow_private,
            client: OnceLock::new(),
        }
    }

    /// Sends one request within `timeout`, including the response.
    pub(crate) async fn send(
        &self,
        address: &str,
        timeout: Duration,
        request: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<HttpReply, HttpFailure> {
        let url = Url::parse(address)
            .map_err(|_| HttpFailure::Address("the address is not a valid URL".to_owned()))?;
        if !self.allow_private {
            check_host(&url).map_err(|error| HttpFailure::Address(error.to_string()))?;
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed = |error: reqwest::Error| HttpFailure::Request(error_text(&error, &host));
        let client = self.client().map_err(failed)?;
        let response = request(client, url)
            .timeout(timeout)
            .send()
            .await
            .map_err(|error| failed(error.without_url()))?;
        let reply = HttpReply {
            status: response.status(),
            retry_after: retry_after(response.headers()),
        };
        drain(response).await;
        Ok(reply)
    }

    fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http_client(self.allow_private)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Checks a host that is an IP address, which is never resolved. Names are checked by [`PublicResolver`].
fn check_host(url: &Url) -> Result<(), PrivateAddress> {
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
fn http_client(allow_private: bool) -> reqwest::Result<Client> {
    // The provider is global; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder(allow_private).build().or_else(|error| {
        tracing::warn!(%error, "no root certificates, https targets fail");
        builder(allow_private).tls_certs_only([]).build()
    })
}

fn builder(allow_private: bool) -> ClientBuilder {
    let builder = Client::builder()
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

/// Reads the rest of a response, up to the limit.
async fn drain(mut response: Response) {
    let mut read = 0;
    while read < MAX_RESPONSE_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            _ => return,
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Formats an error with its causes on one line. Without the address, which may contain secrets.
fn error_text(error: &reqwest::Error, host: &str) -> String {
    let mut text = if error.is_timeout() {
        "the request timed out".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    if host.contains(['.', ':']) {
        text = text.replace(host, "the host");
    }
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(MAX_ERROR_CHARS).collect()
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

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let day = Duration::from_secs(86_400);
        let later = of(&httpdate::fmt_http_date(SystemTime::now() + 2 * day));
        assert!(later.is_some_and(|wait| wait > day));
        assert_eq!([of("-1"), of("soon"), of("")], [None; 3]);
    }
}
