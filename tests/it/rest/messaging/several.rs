//! `/messaging/send`.

use pushi_test_support::Receiver;
use serde_json::json;

use super::web_push::{AUTH, P256DH, with_key};
use super::{refused, send};
use crate::rest::start;

const SEND: &str = "/messaging/send";

#[tokio::test]
async fn each_adapter_sends_to_its_targets() {
    let api = with_key().await;
    let (mut hook, mut push) = (Receiver::start().await, Receiver::start().await);
    let body = json!({
        "adapters": ["WEB", "webpush", "web_push", "zzz"], "data": {"n": 1},
        "webhook_urls": hook.url, "webhook_headers": {"X-Source": "shop"}, "webhook_method": "PUT",
        "web_push_subscriptions": [{"endpoint": push.url, "p256dh": P256DH, "auth": AUTH}],
        "web_push_message": "longer than the data",
    });
    let sent = send(&api, SEND, &body).await;
    assert_eq!(
        sent,
        json!({
            "webhook": {"success": true, "urls": [hook.url], "method": "PUT"},
            "web_push": {"success": true, "endpoints": [push.url]},
            "zzz": {"success": false, "error": "Unknown adapter: zzz"},
        })
    );
    let call = hook.call().await;
    assert_eq!(
        (call.line(), call.body.as_str()),
        ("PUT /hook HTTP/1.1", r#"{"n":1}"#)
    );
    assert_eq!(call.header("x-source"), "shop");
    assert_eq!(push.call().await.bytes.len(), 86 + 20 + 17);
    assert!(hook.is_quiet() && push.is_quiet());
}

#[tokio::test]
async fn data_is_the_message_of_adapters_without_their_own() {
    let api = with_key().await;
    let (mut hook, mut push) = (Receiver::start().await, Receiver::start().await);
    let browser = json!({"endpoint": push.url, "p256dh": P256DH, "auth": AUTH});
    for (data, bytes) in [(json!({"n": 1}), 7), (json!("text"), 4), (json!(null), 2)] {
        let body = json!({
            "adapters": ["webhook", "web_push"], "data": data, "webhook_urls": [hook.url], "web_push_subscriptions": [browser],
        });
        let sent = send(&api, SEND, &body).await;
        assert_eq!(sent["webhook"]["success"], true, "{sent}");
        assert_eq!(hook.call().await.body.len(), bytes, "{data}");
        assert_eq!(push.call().await.bytes.len(), 86 + bytes + 17, "{data}");
    }
}

#[tokio::test]
async fn adapters_without_targets_are_left_out() {
    let api = start().await;
    let body = json!({"adapters": "webhook", "data": 1, "webhook_urls": []});
    assert_eq!(send(&api, SEND, &body).await, json!({}));
    let body = json!({"adapters": ["web_push", "webhook"], "webhook_urls": null});
    assert_eq!(send(&api, SEND, &body).await, json!({}));
}

#[tokio::test]
async fn nothing_is_sent_where_a_part_is_not_understood() {
    let api = with_key().await;
    let mut hook = Receiver::start().await;
    for (body, expected) in [
        (json!({}), "No adapters specified"),
        (json!({"adapters": []}), "No adapters specified"),
        (
            json!({"adapters": 7}),
            "adapters must be a string or a list of strings",
        ),
        (
            json!({"adapters": ["webhook", "web_push"], "webhook_urls": [hook.url], "web_push_subscriptions": [{}]}),
            "web_push_subscriptions[0]: No endpoint specified",
        ),
        (
            json!({"adapters": "web", "webhook_urls": [hook.url], "webhook_method": "HEAD"}),
            "webhook_method must be POST, PUT, GET or DELETE",
        ),
        // Of an adapter that is not named, or has no targets.
        (
            json!({"adapters": "web", "webhook_urls": [hook.url], "email_to": 7}),
            "email_to must be a string or a list of strings",
        ),
        (
            json!({"adapters": "web", "webhook_urls": [hook.url], "email_subject": 7}),
            "email_subject must be a string",
        ),
    ] {
        let message = refused(&api, SEND, &body).await;
        assert!(message.contains(expected), "{body}: {message}");
    }
    assert!(hook.is_quiet());
}
