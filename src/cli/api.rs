//! A server's REST API, asked from the command line.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::chosen::Credentials;
use super::failure::Failure;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API of one server.
pub struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// At this address; `insecure`: whoever it is that answers.
    pub fn new(url: &str, insecure: bool) -> Result<Self, Failure> {
        // The process has one provider; that it was installed before is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(PATIENCE)
            .tls_danger_accept_invalid_certs(insecure)
            .build()
            .map_err(Failure::command)?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// A session token for an app.
    pub async fn token(&self, credentials: &Credentials) -> Result<String, Failure> {
        let url = &self.url;
        let login = self
            .ask(
                self.client
                    .post(format!("{url}/login?{}", query(credentials))),
            )
            .await?;
        let token = login["token"].as_str();
        token.map(str::to_owned).ok_or_else(|| {
            Failure::Command(format!(
                "{url} gave no session token: is it a Pushi server?"
            ))
        })
    }

    /// Publishes with a session token.
    pub async fn publish(&self, token: &str, event: &Value) -> Result<Value, Failure> {
        self.ask(
            self.client
                .post(format!("{}/events", self.url))
                .bearer_auth(token)
                .json(event),
        )
        .await
    }

    /// Sends a request; an error answer is a failure with the server's own words. What is said never holds the request's
    /// URL, which has the secret in it.
    async fn ask(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let api = &self.url;
        let failed = |error: reqwest::Error| {
            Failure::Command(format!(
                "{api} cannot be reached: {}",
                chain(&error.without_url())
            ))
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body: Value =
            serde_json::from_slice(&answer.bytes().await.map_err(failed)?).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("it did not say why");
        Err(Failure::Command(format!(
            "{api} answered {}: {message}",
            status.as_u16()
        )))
    }
}

fn query(credentials: &Credentials) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let Credentials { ident, key, secret } = credentials;
    format!(
        "app_id={}&app_key={}&app_secret={}",
        encoded(ident),
        encoded(key),
        encoded(secret.expose())
    )
}

/// The error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
