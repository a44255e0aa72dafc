//! One delivery attempt to one address.

use std::error::Error as StdError;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url};

use super::client::{check_host, http_client};
use super::payload::encode;
use crate::core::auth::webhook_signature;
use crate::core::model::{App, Attempt, QueuedEvent, Secret};
use crate::core::ports::Notifier;

/// Response bytes that are read so that the connection can be reused; a longer response closes it.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// Maximum length of an error text.
const MAX_ERROR_CHARS: usize = 300;

/// The webhook client.
pub struct WebhookSender {
    timeout: Duration,
    allow_private: bool,
    /// Built on first use, because this reads the root certificates.
    client: OnceLock<Client>,
}

impl WebhookSender {
    /// `timeout` limits one request including its response. `allow_private` disables the address filter.
    pub fn new(timeout: Duration, allow_private: bool) -> Self {
        Self {
            timeout,
            allow_private,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http_client(self.timeout, self.allow_private)?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn post(
        &self,
        app: &App,
        secret: &Secret,
        url: Url,
        body: &str,
    ) -> Result<StatusCode, String> {
        let client = self.client().map_err(|error| error_text(&error))?;
        let request = client
            .post(url)
            // npm `pusher` compares the exact value.
            .header(CONTENT_TYPE, "application/json")
            .header("X-Pusher-Key", &app.key)
            .header("X-Pusher-Signature", webhook_signature(secret, body))
            .body(body.to_owned());
        let response = request
            .send()
            .await
            .map_err(|error| error_text(&error.without_url()))?;
        let status = response.status();
        drain(response).await;
        Ok(status)
    }
}

#[async_trait]
impl Notifier for WebhookSender {
    /// Signs with the app's secret. If the receiver rejects that (400, 401 or 403), it may have only the previous secret:
    /// while that is valid, the request is repeated at once with its signature.
    async fn send(&self, app: &App, address: &str, events: &[QueuedEvent]) -> Attempt {
        let failed = |problem: String| Attempt {
            status: None,
            problem: Some(problem),
        };
        let Ok(body) = encode(events) else {
            return failed("the payload cannot be encoded".to_owned());
        };
        let Ok(url) = Url::parse(address) else {
            return failed("the address is not a valid URL".to_owned());
        };
        if !self.allow_private
            && let Err(error) = check_host(&url)
        {
            return failed(error.to_string());
        }
        let mut attempt = Attempt::default();
        for secret in app.secrets() {
            match self.post(app, secret, url.clone(), &body).await {
                Ok(status) => {
                    attempt = Attempt {
                        status: Some(status.as_u16()),
                        problem: status_error(status),
                    }
                }
                Err(problem) => return failed(problem),
            }
            if !matches!(attempt.status, Some(400 | 401 | 403)) {
                break;
            }
        }
        attempt
    }
}

fn status_error(status: StatusCode) -> Option<String> {
    if status.is_success() {
        return None;
    }
    Some(if status.is_redirection() {
        "redirects are not followed".to_owned()
    } else {
        format!("answered {status}")
    })
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

/// Formats an error with its causes on one line. Without the address, which may contain secrets.
fn error_text(error: &reqwest::Error) -> String {
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
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(MAX_ERROR_CHARS).collect()
}
