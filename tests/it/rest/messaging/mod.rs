//! Direct messages: `/messaging/…`.

mod bounds;
mod several;
mod vapid;
mod web;
mod web_push;

use poem::http::Method;
use pushi_test_support::PATIENCE;
use serde_json::Value;
use tokio::time::timeout;

pub(super) use self::web_push::{AUTH, P256DH};
use crate::rest::Api;

/// The answer to a message, which must be 200.
async fn send(api: &Api, path: &str, body: &Value) -> Value {
    let asked = api.session(Method::POST, path).json(body).send();
    let reply = timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(reply.status, 200, "{body}: {}", reply.text);
    reply.json()
}

/// The message of a 400.
async fn refused(api: &Api, path: &str, body: &Value) -> String {
    let reply = api.session(Method::POST, path).json(body).send().await;
    reply.problem(400)
}
