//! One attempt to send one message to one device.

use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use tokio::time::timeout;

use super::client::ApnsClient;
use super::clients::Clients;
use super::reply::{Refusal, connection_failure};
use crate::core::model::{ApnMessage, DeviceToken};
use crate::core::ports::{SendFailure, Sender, Verdict};

/// The most bytes of an answer that are read. Apple's have less than 200.
const MAX_ANSWER_BYTES: usize = 4096;

/// The addresses of the push service.
#[derive(Debug, Clone)]
pub struct ApnsBase {
    production: String,
    sandbox: String,
}

impl Default for ApnsBase {
    fn default() -> Self {
        Self {
            production: "https://api.push.apple.com".into(),
            sandbox: "https://api.sandbox.push.apple.com".into(),
        }
    }
}

impl ApnsBase {
    /// Another service in place of both.
    pub fn instead(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        Self {
            production: url.into(),
            sandbox: url.into(),
        }
    }
}

/// Sends messages to Apple devices, over one connection for each identity.
pub struct ApnsSender {
    base: ApnsBase,
    timeout: Duration,
    clients: Clients,
}

impl ApnsSender {
    /// `timeout` limits one attempt.
    pub fn new(base: ApnsBase, timeout: Duration) -> Self {
        Self {
            base,
            timeout,
            clients: Clients::default(),
        }
    }

    async fn deliver(&self, message: &ApnMessage) -> Result<(), SendFailure> {
        // The token becomes a part of the path.
        DeviceToken::check(message.token.expose()).map_err(|_| {
            SendFailure::new(Verdict::Refused, "the token is not one of an Apple device")
        })?;
        let base = if message.sandbox {
            &self.base.sandbox
        } else {
            &self.base.production
        };
        let client = self.clients.get(base, &message.credentials, || {
            ApnsClient::build(base, &message.credentials, self.timeout)
        })?;
        let token = client.token.as_ref().map(|token| token.get(message.at));
        let mut refusal = attempt(&client, base, message, token.as_deref()).await?;
        if let Some((provider, token)) = client.token.as_ref().zip(token)
            && refusal.as_ref().is_some_and(Refusal::is_expired_token)
        {
            let token = provider.renewed(&token, message.at);
            refusal = attempt(&client, base, message, Some(&token)).await?;
        }
        refusal.map_or(Ok(()), |refusal| Err(refusal.failure()))
    }
}

#[async_trait]
impl Sender<ApnMessage> for ApnsSender {
    async fn send(&self, message: &ApnMessage) -> Result<(), SendFailure> {
        timeout(self.timeout, self.deliver(message))
            .await
            .unwrap_or_else(|_| {
                Err(SendFailure::new(
                    Verdict::Later(None),
                    "the push service did not answer in time",
                ))
            })
    }
}

/// Makes one request; answers the refusal, or `None` where the message was accepted.
async fn attempt(
    client: &ApnsClient,
    base: &str,
    message: &ApnMessage,
    token: Option<&str>,
) -> Result<Option<Refusal>, SendFailure> {
    let url = format!("{base}/3/device/{}", message.token.expose());
    let mut request = client
        .http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(message.payload.clone());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("bearer {token}"));
    }
    let response = with_headers(request, message)
        .send()
        .await
        .map_err(|error| connection_failure(&error.without_url(), client.token.is_none()))?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = start_of_body(response).await;
    let refusal = || Refusal::new(status.as_u16(), &body, retry_after);
    Ok((!status.is_success()).then(refusal))
}

fn with_headers(request: RequestBuilder, message: &ApnMessage) -> RequestBuilder {
    let headers = &message.headers;
    let priority = headers.priority.map(|number| number.to_string());
    let expiration = headers.expiration.map(|number| number.to_string());
    let named = [
        ("apns-topic", headers.topic.as_ref()),
        ("apns-push-type", headers.push_type.as_ref()),
        ("apns-priority", priority.as_ref()),
        ("apns-expiration", expiration.as_ref()),
        ("apns-collapse-id", headers.collapse_id.as_ref()),
    ];
    named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .fold(request, |request, (name, value)| {
            request.header(name, value)
        })
}

async fn start_of_body(mut response: Response) -> BytesMut {
    let mut body = BytesMut::new();
    while body.len() < MAX_ANSWER_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    body.truncate(MAX_ANSWER_BYTES);
    body
}
