//! One attempt to call one address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};

use super::payload::encode;
use crate::core::auth::{message_signature, webhook_signature};
use crate::core::model::{App, Attempt, QueuedEvent, Secret, WebMessage, WebMethod};
use crate::core::ports::{Notifier, SendFailure, Sender, Verdict};
use crate::outbound::net::{HttpClient, HttpFailure, HttpReply};

/// The value of `Content-Type`; npm `pusher` compares the exact value.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Calls web hooks.
pub struct WebhookSender {
    http: Arc<HttpClient>,
    timeout: Duration,
}

impl WebhookSender {
    /// `timeout` limits one request including its response.
    pub fn new(http: Arc<HttpClient>, timeout: Duration) -> Self {
        Self { http, timeout }
    }

    /// Sends a request that `request` signs with the secrets in turn: if the receiver rejects the first signature (400, 401 or
    /// 403), it may have only the previous secret. While that is valid, the request is repeated at once with its signature.
    async fn call(
        &self,
        address: &str,
        secrets: impl Iterator<Item = &Secret>,
        request: impl Fn(&Client, Url, &Secret) -> RequestBuilder,
    ) -> Result<Option<HttpReply>, HttpFailure> {
        let mut reply = None;
        for secret in secrets {
            let sent = self.http.send(address, self.timeout, |client, url| {
                request(client, url, secret)
            });
            let status = reply.insert(sent.await?).status.as_u16();
            if !matches!(status, 400 | 401 | 403) {
                break;
            }
        }
        Ok(reply)
    }
}

#[async_trait]
impl Notifier for WebhookSender {
    async fn send(&self, app: &App, address: &str, events: &[QueuedEvent]) -> Attempt {
        let failed = |problem: String| Attempt {
            status: None,
            problem: Some(problem),
        };
        let Ok(body) = encode(events) else {
            return failed("the payload cannot be encoded".to_owned());
        };
        let request = |client: &Client, url, secret: &Secret| {
            client
                .post(url)
                .header(CONTENT_TYPE, JSON)
                .header("X-Pusher-Key", &app.key)
                .header("X-Pusher-Signature", webhook_signature(secret, &body))
                .body(body.clone())
        };
        match self.call(address, app.secrets(), request).await {
            Ok(Some(reply)) => Attempt {
                status: Some(reply.status.as_u16()),
                problem: status_error(reply.status),
            },
            Ok(None) => failed("the app has no secret".to_owned()),
            Err(failure) => failed(failure.to_string()),
        }
    }
}

#[async_trait]
impl Sender<WebMessage> for WebhookSender {
    /// A 2xx accepts the message, and 410 ends the target.
    async fn send(&self, message: &WebMessage) -> Result<(), SendFailure> {
        let headers = headers(message)
            .ok_or_else(|| SendFailure::new(Verdict::Refused, "a header is not valid"))?;
        let signing = &message.signing;
        let body = match message.method.has_body() {
            true => message.body.clone(),
            false => Default::default(),
        };
        let request = |client: &Client, url, secret: &Secret| {
            let request = client
                .request(method(message.method), url)
                .headers(headers.clone())
                .header("X-Pushi-Key", &signing.key)
                .header(
                    "X-Pushi-Signature",
                    message_signature(secret, signing.at, &body),
                )
                .header("X-Pushi-Event-Id", &signing.event_id)
                .header("X-Pushi-Attempt", signing.attempt);
            if message.method.has_body() {
                request.body(body.clone())
            } else {
                request
            }
        };
        let sent = self.call(message.url.expose(), signing.secrets.iter(), request);
        let reply = match sent.await {
            Ok(Some(reply)) => reply,
            Ok(None) => return Err(SendFailure::new(Verdict::Refused, "the app has no secret")),
            Err(failure @ HttpFailure::Address(_)) => {
                return Err(SendFailure::new(Verdict::Refused, failure.to_string()));
            }
            Err(failure @ HttpFailure::Request(_)) => {
                return Err(SendFailure::new(Verdict::Later(None), failure.to_string()));
            }
        };
        match status_error(reply.status) {
            None => Ok(()),
            Some(problem) if reply.status == StatusCode::GONE => {
                Err(SendFailure::new(Verdict::Gone, problem))
            }
            Some(problem) => Err(SendFailure::new(Verdict::Later(reply.retry_after), problem)),
        }
    }
}

fn method(method: WebMethod) -> Method {
    match method {
        WebMethod::Post => Method::POST,
        WebMethod::Put => Method::PUT,
        WebMethod::Get => Method::GET,
        WebMethod::Delete => Method::DELETE,
    }
}

/// The message's own headers; `None`: one is not valid.
fn headers(message: &WebMessage) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if message.method.has_body() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    for (name, value) in &message.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
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
