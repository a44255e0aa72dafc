//! One attempt to send a message to one browser.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{StatusCode, Url};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::encryption::encrypt;
use crate::core::auth::{new_p256_key, signed_token};
use crate::core::model::{Vapid, WebPushMessage};
use crate::core::ports::{SendFailure, Sender, Verdict};
use crate::outbound::net::{HttpClient, HttpFailure};

/// The lifetime of a token; push services accept at most 24 hours.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Messages that are encrypted at a time. Each takes up to a millisecond of a processor, which connections would wait for
/// otherwise.
const ENCRYPTIONS: usize = 2;

/// Sends messages to browsers.
pub struct WebPushSender {
    http: Arc<HttpClient>,
    timeout: Duration,
    encryptions: Semaphore,
}

/// The parts of a request that are computed.
struct SealedMessage {
    body: Vec<u8>,
    authorization: String,
}

impl WebPushSender {
    /// `timeout` limits one request including its response.
    pub fn new(http: Arc<HttpClient>, timeout: Duration) -> Self {
        Self {
            http,
            timeout,
            encryptions: Semaphore::new(ENCRYPTIONS),
        }
    }

    async fn seal(&self, message: &WebPushMessage) -> Result<SealedMessage, SendFailure> {
        let turn = self.encryptions.acquire().await;
        let message = message.clone();
        let sealed = spawn_blocking(move || seal(&message)).await;
        drop(turn);
        sealed.unwrap_or_else(|_| Err(later("the encryption was cut off")))
    }
}

#[async_trait]
impl Sender<WebPushMessage> for WebPushSender {
    /// A 2xx accepts the message, 404 and 410 end the target; 401 and 403 refuse the VAPID key.
    async fn send(&self, message: &WebPushMessage) -> Result<(), SendFailure> {
        let sealed = self.seal(message).await?;
        let endpoint = message.endpoint.expose();
        let sent = self.http.send(endpoint, self.timeout, |client, url| {
            let mut request = client
                .post(url)
                .header(AUTHORIZATION, sealed.authorization)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_ENCODING, "aes128gcm")
                .header("TTL", message.ttl)
                .body(sealed.body);
            if let Some(urgency) = message.urgency {
                request = request.header("Urgency", urgency.name());
            }
            if let Some(topic) = &message.topic {
                request = request.header("Topic", topic.as_str());
            }
            request
        });
        let reply = sent.await.map_err(|failure| match &failure {
            HttpFailure::Address(text) => SendFailure::new(Verdict::Refused, text),
            HttpFailure::Request(text) => later(text),
        })?;
        match verdict(reply.status, reply.retry_after) {
            None => Ok(()),
            Some(verdict) => Err(SendFailure::new(
                verdict,
                format!("answered {}", reply.status),
            )),
        }
    }
}

fn later(reason: impl AsRef<str>) -> SendFailure {
    SendFailure::new(Verdict::Later(None), reason)
}

/// What follows from a status; `None`: the message was accepted.
fn verdict(status: StatusCode, retry_after: Option<Duration>) -> Option<Verdict> {
    match status.as_u16() {
        200..=299 => None,
        404 | 410 => Some(Verdict::Gone),
        401 | 403 => Some(Verdict::Credentials),
        408 | 425 | 429 | 500.. => Some(Verdict::Later(retry_after)),
        _ => Some(Verdict::Refused),
    }
}

fn seal(message: &WebPushMessage) -> Result<SealedMessage, SendFailure> {
    let refused = |reason: &str| SendFailure::new(Verdict::Refused, reason);
    let endpoint = Url::parse(message.endpoint.expose())
        .map_err(|_| refused("the address is not a valid URL"))?;
    let own = new_p256_key().map_err(|error| later(error.to_string()))?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| later(error.to_string()))?;
    let body = encrypt(&message.keys, &message.payload, own.secret_key(), salt)
        .map_err(|error| refused(&error.to_string()))?;
    let seconds = message.at.plus(TOKEN_LIFETIME).micros() / 1_000_000;
    Ok(SealedMessage {
        body,
        authorization: authorization(&message.vapid, &endpoint, seconds),
    })
}

/// The value of `Authorization` (RFC 8292, section 3).
fn authorization(vapid: &Vapid, endpoint: &Url, expires: i64) -> String {
    let claims = json!({
        "aud": endpoint.origin().ascii_serialization(),
        "exp": expires,
        "sub": vapid.contact(),
    });
    let token = signed_token(
        &vapid.key,
        r#"{"typ":"JWT","alg":"ES256"}"#,
        &claims.to_string(),
    );
    format!("vapid t={token},k={}", vapid.key.public_base64url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_one_verdict() {
        let minute = Some(Duration::from_secs(60));
        let of = |status| verdict(StatusCode::from_u16(status).unwrap(), minute);
        for accepted in [200, 201, 202, 204] {
            assert_eq!(of(accepted), None);
        }
        for (status, expected) in [
            (404, Verdict::Gone),
            (410, Verdict::Gone),
            (401, Verdict::Credentials),
            (403, Verdict::Credentials),
            (413, Verdict::Refused),
            (400, Verdict::Refused),
            (307, Verdict::Refused),
            (429, Verdict::Later(minute)),
            (503, Verdict::Later(minute)),
            (500, Verdict::Later(minute)),
        ] {
            assert_eq!(of(status), Some(expected), "{status}");
        }
    }
}
