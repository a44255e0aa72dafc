//! A client of the REST API of a running server.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::app_selector::AppCredentials;
use super::error::CliError;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the REST API at one URL.
pub(super) struct ApiClient {
    client: Client,
    url: String,
}

impl ApiClient {
    /// A client for the server at `url`.
    pub(super) fn new(url: &str) -> Result<Self, CliError> {
        // An error means that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            // A redirected request would show the secret to another server.
            .redirect(Policy::none())
            .build()
            .map_err(CliError::command)?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Logs in as an app and returns the session token.
    pub(super) async fn token(&self, credentials: &AppCredentials) -> Result<String, CliError> {
        let url = &self.url;
        let login = self
            .send(self.client.post(format!("{url}/login")).json(&json!({
                "app_id": credentials.ident,
                "app_key": credentials.key,
                "app_secret": credentials.secret.expose(),
            })))
            .await?;
        let token = login["token"].as_str();
        token.map(str::to_owned).ok_or_else(|| {
            CliError::Command(format!(
                "{url} returned no session token: is it a Pushi server?"
            ))
        })
    }

    /// Publishes an event with a session token.
    pub(super) async fn publish(&self, token: &str, event: &Value) -> Result<Value, CliError> {
        self.send(
            self.client
                .post(format!("{}/events", self.url))
                .bearer_auth(token)
                .json(event),
        )
        .await
    }

    /// Sends a request; an error response becomes an error with the message of the server. Error
    /// texts contain only the URL that the user gave.
    async fn send(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let api = &self.url;
        let unreachable = |error: reqwest::Error| {
            CliError::Command(format!(
                "{api} cannot be reached: {}",
                error_chain(&error.without_url())
            ))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body: Value = serde_json::from_slice(&response.bytes().await.map_err(unreachable)?)
            .unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("no message");
        Err(CliError::Command(format!(
            "{api} answered {}: {message}",
            status.as_u16()
        )))
    }
}

/// The error with its causes on one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
