//! `pushi trigger`: publishes from the shell.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::address::api_url;
use super::chosen::{Chosen, Credentials};
use super::failure::Failure;
use super::workbench::settings;
use crate::config::Raw;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publish an event
///
/// It goes to the server over HTTP, since only the server reaches its sockets. The app is the only one in the store, or
/// the one that --app-id, --app-key and --app-secret say (with all three the store is not opened).
#[derive(clap::Args)]
pub struct Trigger {
    /// The channel
    channel: String,
    /// The event's data, as it is: a text, or JSON
    data: String,
    /// The event's name
    #[arg(long, default_value = "message")]
    event: String,
    /// Do not store it
    #[arg(long)]
    no_persist: bool,
    /// The server's REST API; where APP_HOST and APP_PORT say, if it is not given
    #[arg(long)]
    url: Option<String>,
    /// Print the server's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Trigger {
    pub async fn run(self) -> Result<String, Failure> {
        let settings = settings(&self.raw)?;
        let api = match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => api_url(&settings.listen.api, settings.listen.api.port),
        };
        let credentials = Chosen::of(&self.raw).credentials(&settings).await?;
        // The process has one provider; that it was installed before is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().map_err(Failure::command)?;
        let login = ask(client.post(format!("{api}/login?{}", query(&credentials))), &api).await?;
        let token =
            login["token"].as_str().ok_or_else(|| Failure::Command(format!("{api} gave no session token: is it a Pushi server?")))?;
        let body = json!({"channel": self.channel, "event": self.event, "data": self.data, "persist": !self.no_persist});
        let answer = ask(client.post(format!("{api}/events")).bearer_auth(token).json(&body), &api).await?;
        Ok(if self.json { answer.to_string() } else { format!("published to {}", self.channel) })
    }
}

fn query(credentials: &Credentials) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let Credentials { ident, key, secret } = credentials;
    format!("app_id={}&app_key={}&app_secret={}", encoded(ident), encoded(key), encoded(secret.expose()))
}

/// Sends a request; an error answer is a failure with the server's own words. What is said never holds the request's
/// URL, which has the secret in it.
async fn ask(request: RequestBuilder, api: &str) -> Result<Value, Failure> {
    let failed = |error: reqwest::Error| Failure::Command(format!("{api} cannot be reached: {}", chain(&error.without_url())));
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let body: Value = serde_json::from_slice(&answer.bytes().await.map_err(failed)?).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let message = body["message"].as_str().unwrap_or("it did not say why");
    Err(Failure::Command(format!("{api} answered {}: {message}", status.as_u16())))
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
