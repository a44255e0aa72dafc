//! `/messaging/web_push`. That browsers can read what is sent is tested with their libraries, in `tests/clients`.

use data_encoding::BASE64URL_NOPAD;
use poem::http::Method;
use pushi_test_support::Receiver;
use serde_json::{Value, json};

use super::{refused, send};
use crate::rest::{Api, Setup, start};

const WEB_PUSH: &str = "/messaging/web_push";

/// The keys of a browser and of an app, from RFC 8291.
pub(in crate::rest) const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
pub(in crate::rest) const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
pub(super) const PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
pub(super) const PUBLIC: &str =
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

fn browser(endpoint: &str) -> Value {
    json!({"endpoint": endpoint, "p256dh": P256DH, "auth": AUTH})
}

/// An API whose app has a key and a contact.
pub(super) async fn with_key() -> Api {
    let api = start().await;
    configure(
        &api,
        &json!({"vapid_key": PRIVATE, "vapid_email": "ann@shop.example"}),
    )
    .await;
    api
}

async fn configure(api: &Api, settings: &Value) {
    let changed = api.session(Method::PUT, "/apps/shop").json(settings);
    assert_eq!(changed.send().await.status, 200);
}

/// The part of a token, decoded.
fn part(authorization: &str, number: usize) -> Value {
    let token = authorization.strip_prefix("vapid t=").unwrap();
    let (token, key) = token.split_once(",k=").unwrap();
    assert_eq!(key, PUBLIC);
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_push_service_gets_an_encrypted_message_and_the_sender() {
    let api = with_key().await;
    let mut receiver = Receiver::answering(|_| "201 Created".to_owned()).await;
    let body = json!({
        "subscriptions": [browser(&receiver.url), browser(&receiver.url)],
        "message": {"title": "Order 17", "ttl": 60, "urgency": "high", "topic": "orders"},
    });
    let sent = send(&api, WEB_PUSH, &body).await;
    assert_eq!(sent, json!({"success": true, "endpoints": [receiver.url]}));
    let call = receiver.call().await;
    assert!(receiver.is_quiet());
    assert_eq!(call.line(), "POST /hook HTTP/1.1");
    for (name, value) in [
        ("content-encoding", "aes128gcm"),
        ("ttl", "60"),
        ("urgency", "high"),
        ("topic", "orders"),
    ] {
        assert_eq!(call.header(name), value, "{name}");
    }
    // 86 bytes of header, the payload, a delimiter and 16 bytes of tag.
    assert_eq!(call.bytes.len(), 86 + r#"{"title":"Order 17"}"#.len() + 17);
    let authorization = call.header("authorization");
    assert_eq!(
        part(authorization, 0),
        json!({"typ": "JWT", "alg": "ES256"})
    );
    let origin = receiver.url.strip_suffix("/hook").unwrap();
    assert_eq!(
        part(authorization, 1),
        json!({"aud": origin, "exp": 1_795_337_092 + 12 * 3600, "sub": "mailto:ann@shop.example"})
    );
}

#[tokio::test]
async fn one_browser_and_a_sender_can_be_given_in_the_body() {
    let api = start().await;
    let mut receiver = Receiver::start().await;
    let mut body = browser(&receiver.url);
    body["vapid_private_key"] = PRIVATE.into();
    body["vapid_email"] = "https://shop.example/contact".into();
    let sent = send(&api, WEB_PUSH, &body).await;
    assert_eq!(sent, json!({"success": true, "endpoints": [receiver.url]}));
    let call = receiver.call().await;
    assert_eq!((call.header("ttl"), call.header("urgency")), ("86400", ""));
    let claims = part(call.header("authorization"), 1);
    assert_eq!(claims["sub"], "https://shop.example/contact");
}

#[tokio::test]
async fn without_a_key_or_a_contact_nothing_is_sent() {
    let api = start().await;
    let mut receiver = Receiver::start().await;
    let missing = async |expected: &str| {
        let sent = send(&api, WEB_PUSH, &browser(&receiver.url)).await;
        let error = sent["error"].as_str().unwrap();
        assert!(error.contains(expected), "{sent}");
        let failed = json!([{"target": receiver.url, "error": error}]);
        assert_eq!(
            (&sent["success"], &sent["failed"]),
            (&json!(false), &failed)
        );
    };
    missing("VAPID private key not configured").await;
    configure(&api, &json!({"vapid_key": PRIVATE})).await;
    missing("PUSHI_CONTACT").await;
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn the_servers_contact_stands_for_that_of_the_app() {
    let api = Setup {
        contact: Some("https://operator.example"),
        ..Setup::default()
    }
    .start()
    .await;
    configure(&api, &json!({"vapid_key": PRIVATE})).await;
    let mut receiver = Receiver::start().await;
    send(&api, WEB_PUSH, &browser(&receiver.url)).await;
    let claims = part(receiver.call().await.header("authorization"), 1);
    assert_eq!(claims["sub"], "https://operator.example");
}

#[tokio::test]
async fn what_a_push_service_refuses_has_failed() {
    let api = with_key().await;
    let mut expected = Vec::new();
    let mut receivers = Vec::new();
    for status in ["410 Gone", "413 Payload Too Large", "429 Too Many Requests"] {
        let receiver = Receiver::answering(move |_| status.to_owned()).await;
        expected.push(json!({"target": receiver.url, "error": format!("answered {status}")}));
        receivers.push(receiver);
    }
    let browsers: Vec<_> = receivers.iter().map(|one| browser(&one.url)).collect();
    let sent = send(
        &api,
        WEB_PUSH,
        &json!({"subscriptions": browsers, "message": "x"}),
    )
    .await;
    assert_eq!(
        (&sent["success"], &sent["endpoints"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(sent["failed"], Value::from(expected));
    // Nothing is remembered of it.
    let again = send(&api, WEB_PUSH, &browser(&receivers[0].url)).await;
    assert_eq!(again["error"], "answered 410 Gone");
    for receiver in &mut receivers {
        receiver.call().await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_understood_names_its_member() {
    let api = with_key().await;
    let endpoint = "https://push.example/1";
    let with = |name: &str, value: Value| {
        let mut body = browser(endpoint);
        body[name] = value;
        body
    };
    let off_curve = P256DH.replace("Aiw4", "Aiw8");
    for (body, expected) in [
        (json!({}), "No endpoint specified"),
        (with("p256dh", Value::Null), "No p256dh key specified"),
        (with("auth", "".into()), "No auth secret specified"),
        (
            with("endpoint", "push.example".into()),
            "endpoint must be an http:// or https:// address",
        ),
        (
            with("p256dh", off_curve.into()),
            "p256dh must be base64url of a point of the curve P-256",
        ),
        (with("p256dh", 7.into()), "p256dh must be a string"),
        (
            with("auth", "AAAA".into()),
            "auth must be base64url of 16 bytes",
        ),
        (
            with("message", "x".repeat(3994).into()),
            "message has 3994 bytes: a Web Push message has at most 3993",
        ),
        (
            with("message", json!({"ttl": -1})),
            "message.ttl must be an integer",
        ),
        (
            with("vapid_private_key", "x".into()),
            "vapid_private_key must be a private key of the curve P-256",
        ),
        (
            with("vapid_email", "x".into()),
            "vapid_email must be an e-mail address",
        ),
        (
            json!({"subscriptions": {}}),
            "subscriptions must be a list of objects",
        ),
        (
            json!({"subscriptions": [7]}),
            "subscriptions must be a list of objects",
        ),
        (
            json!({"subscriptions": [browser(endpoint), {}]}),
            "subscriptions[1]: No endpoint specified",
        ),
    ] {
        let message = refused(&api, WEB_PUSH, &body).await;
        assert!(message.contains(expected), "{body}: {message}");
    }
}
