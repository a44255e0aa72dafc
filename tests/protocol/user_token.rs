//! Tokens of users.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use pushi::core::ports::Clock;
use pushi_test_support::{Client, Frame, TestServer};
use serde_json::{Value, json};
use sha2::Sha256;

/// A token with this header and these claims, signed by HS256.
pub(crate) fn sign_token(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let signature = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
    format!("{message}.{signature}")
}

pub(crate) trait TokenServer {
    /// The claims of a token of `ann` that expires after this many seconds, with further ones.
    fn claims(&self, seconds: f64, further: Value) -> Value;

    /// A token with these claims beside the user and the end in an hour.
    fn token(&self, further: Value) -> String {
        self.token_for(3600.0, further)
    }

    /// The same, which expires after this many seconds.
    fn token_for(&self, seconds: f64, further: Value) -> String;
}

impl TokenServer for TestServer<'_> {
    fn claims(&self, seconds: f64, further: Value) -> Value {
        let mut claims = json!({"sub": "ann", "exp": self.clock.now().seconds() + seconds});
        for (name, value) in further.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn token_for(&self, seconds: f64, further: Value) -> String {
        let header = json!({"typ": "JWT", "alg": "HS256"});
        sign_token(
            &header,
            &self.claims(seconds, further),
            self.app.secret.expose(),
        )
    }
}

pub(crate) trait TokenClient {
    /// Sends a token.
    async fn send_token(&mut self, token: &str);

    /// Presents a token, which the server accepts.
    async fn present(&mut self, token: &str) -> Value;

    /// Subscribes without a signature.
    async fn subscribe_plain(&mut self, channel: &str) -> Frame;
}

impl TokenClient for Client {
    async fn send_token(&mut self, token: &str) {
        self.send(json!({"event": "pusher:token", "data": {"token": token}}))
            .await;
    }

    async fn present(&mut self, token: &str) -> Value {
        self.send_token(token).await;
        self.expect("pusher_internal:token_accepted").await.inner()
    }

    async fn subscribe_plain(&mut self, channel: &str) -> Frame {
        self.send_subscribe_data(json!({"channel": channel})).await;
        self.next().await
    }
}
