//! One attempt at one address.

use std::error::Error as StdError;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url};

use super::body::body;
use super::client::{check_host, client};
use crate::core::auth::webhook_signature;
use crate::core::model::{App, Attempt, QueuedEvent, Secret};
use crate::core::ports::Notifier;

/// So many bytes of an answer are read, so that its connection can be used again.
const READ: usize = 16 * 1024;

/// What is said of a problem, in characters.
const LONGEST_PROBLEM: usize = 300;

/// Tells webhooks over HTTP.
pub struct WebhookSender {
    timeout: Duration,
    allow_private: bool,
    /// Made when it is first needed: root certificates are read for it.
    client: OnceLock<Client>,
}

impl WebhookSender {
    /// `timeout` bounds one request, its answer included; with `allow_private` webhooks may lead to any address.
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
        let made = client(self.timeout, self.allow_private)?;
        Ok(self.client.get_or_init(|| made))
    }

    async fn send(
        &self,
        app: &App,
        secret: &Secret,
        url: Url,
        body: &str,
    ) -> Result<StatusCode, String> {
        let client = self.client().map_err(|error| problem(&error))?;
        let request = client
            .post(url)
            // Exactly this: npm `pusher` compares it.
            .header(CONTENT_TYPE, "application/json")
            .header("X-Pusher-Key", &app.key)
            .header("X-Pusher-Signature", webhook_signature(secret, body))
            .body(body.to_owned());
        let answer = request
            .send()
            .await
            .map_err(|error| problem(&error.without_url()))?;
        let status = answer.status();
        drain(answer).await;
        Ok(status)
    }
}

#[async_trait]
impl Notifier for WebhookSender {
    /// Signed with the app's secret. A receiver that refuses that (400, 401 or 403) may know only the secret before the last
    /// rotation, while that is valid: then the same is sent at once, signed with that one.
    async fn tell(&self, app: &App, address: &str, notices: &[QueuedEvent]) -> Attempt {
        let failed = |problem: String| Attempt {
            status: None,
            problem: Some(problem),
        };
        let Ok(body) = body(notices) else {
            return failed("the message cannot be written".to_owned());
        };
        let Ok(url) = Url::parse(address) else {
            return failed("this is not an address".to_owned());
        };
        if !self.allow_private
            && let Err(error) = check_host(&url)
        {
            return failed(error.to_string());
        }
        let mut attempt = Attempt::default();
        for secret in app.secrets() {
            match self.send(app, secret, url.clone(), &body).await {
                Ok(status) => {
                    attempt = Attempt {
                        status: Some(status.as_u16()),
                        problem: refusal(status),
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

fn refusal(status: StatusCode) -> Option<String> {
    if status.is_success() {
        return None;
    }
    Some(if status.is_redirection() {
        "redirects are not followed".to_owned()
    } else {
        format!("answered {status}")
    })
}

/// Reads what is left of a short answer; a long one costs its connection.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while read < READ {
        match answer.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            _ => return,
        }
    }
}

/// An error with its causes on one line, without the address: it may hold what is secret.
fn problem(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        "it cannot be reached".to_owned()
    };
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_PROBLEM).collect()
}
