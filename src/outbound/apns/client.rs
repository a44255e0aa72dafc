//! The HTTP/2 client of one identity.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Identity};

use super::token::ProviderToken;
use crate::core::model::ApnCredentials;
use crate::core::ports::{SendFailure, Verdict};

/// The time for which an unused connection is kept. Apple asks to keep connections rather than to open many.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// The time between two checks of a connection, and for the answer to one.
const PING: Duration = Duration::from_secs(60);
const PING_ANSWER: Duration = Duration::from_secs(10);

/// A client with one connection.
pub(super) struct ApnsClient {
    /// Sends the requests.
    pub http: Client,
    /// Signs them; `None`: the certificate identifies the sender.
    pub token: Option<ProviderToken>,
}

impl ApnsClient {
    /// Builds the client of an identity. `timeout` limits one request.
    pub(super) fn build(
        base: &str,
        credentials: &ApnCredentials,
        timeout: Duration,
    ) -> Result<Self, SendFailure> {
        // The provider is global; an error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .user_agent(concat!("pushi/", env!("CARGO_PKG_VERSION")))
            // Over TLS the handshake agrees on HTTP/2; without it the connection begins with HTTP/2.
            .http2_prior_knowledge()
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING_ANSWER)
            .http2_keep_alive_while_idle(true)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE);
        // Root certificates, which not every machine has, are not needed.
        if base.starts_with("http://") {
            builder = builder.tls_certs_only([]);
        }
        let token = match credentials {
            ApnCredentials::Token {
                key,
                key_id,
                team_id,
            } => Some(ProviderToken::new(
                key.clone(),
                key_id.clone(),
                team_id.clone(),
            )),
            ApnCredentials::Certificate { key, cer } => {
                let pem = format!("{}\n{}\n", cer.expose().trim(), key.expose().trim());
                let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| unusable())?;
                builder = builder.identity(identity);
                None
            }
        };
        let http = builder.build().map_err(|_| unusable())?;
        Ok(Self { http, token })
    }
}

fn unusable() -> SendFailure {
    SendFailure::new(
        Verdict::Credentials,
        "the client for the push service cannot be built: the certificate and the key must be PEM and belong together, and the system must have root certificates",
    )
}
