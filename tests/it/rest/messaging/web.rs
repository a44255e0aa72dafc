//! `/messaging/webhook`.

use poem::http::Method;
use pushi::core::auth::message_signature;
use pushi::core::model::{Secret, Timestamp};
use pushi_test_support::Receiver;
use serde_json::json;

use super::{refused, send};
use crate::rest::{Setup, start};

const WEBHOOK: &str = "/messaging/webhook";

#[tokio::test]
async fn every_address_gets_the_body_and_its_signature() {
    let api = start().await;
    let (mut first, mut second) = (Receiver::start().await, Receiver::start().await);
    let body = json!({"urls": [first.url, second.url, first.url], "data": {"order": 17}});
    let sent = send(&api, WEBHOOK, &body).await;
    assert_eq!(
        sent,
        json!({"success": true, "urls": [first.url, second.url], "method": "POST"})
    );
    let at = Timestamp::from_micros(1_795_337_092_270_000);
    let secret = Secret::new("shop-secret");
    let mut ids = Vec::new();
    for receiver in [&mut first, &mut second] {
        let call = receiver.call().await;
        assert_eq!(call.line(), "POST /hook HTTP/1.1");
        assert_eq!(call.body, r#"{"order":17}"#);
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(call.header("x-pushi-key"), "shop-key");
        assert_eq!(call.header("x-pushi-attempt"), "1");
        assert_eq!(
            call.header("x-pushi-signature"),
            message_signature(&secret, at, &call.bytes)
        );
        ids.push(call.header("x-pushi-event-id").to_owned());
        assert!(receiver.is_quiet());
    }
    assert!(ids[0].len() == 32 && ids[0] == ids[1], "{ids:?}");
}

#[tokio::test]
async fn the_method_and_further_headers_are_those_of_the_request() {
    let api = start().await;
    let mut receiver = Receiver::start().await;
    for (method, body) in [("put", "a \"b\""), ("GET", ""), ("Delete", "")] {
        let request = json!({
            "url": receiver.url, "data": "a \"b\"", "method": method,
            "headers": {"X-Source": "shop", "content-type": "text/plain", "Authorization": "Basic eA=="},
        });
        let sent = send(&api, WEBHOOK, &request).await;
        let name = method.to_uppercase();
        assert_eq!(
            sent,
            json!({"success": true, "urls": [receiver.url], "method": name})
        );
        let call = receiver.call().await;
        assert_eq!(call.line(), format!("{name} /hook HTTP/1.1"));
        assert_eq!(
            (call.body.as_str(), call.header("x-source")),
            (body, "shop")
        );
        assert_eq!(call.header("authorization"), "Basic eA==");
        assert_eq!(call.header("content-type"), "text/plain");
    }
}

#[tokio::test]
async fn numbers_and_order_travel_as_they_were_sent() {
    let api = start().await;
    let mut receiver = Receiver::start().await;
    let text = format!(
        r#"{{"url": "{}", "data": {{"z": 1.0, "a": 12345678901234567890123, "e": 1e2}}}}"#,
        receiver.url
    );
    let reply = api
        .session(Method::POST, WEBHOOK)
        .body("application/json", text)
        .send()
        .await;
    assert_eq!(reply.json()["success"], true);
    let call = receiver.call().await;
    assert_eq!(
        call.body,
        r#"{"z":1.0,"a":12345678901234567890123,"e":1e2}"#
    );
}

#[tokio::test]
async fn success_means_that_all_receivers_accepted() {
    let api = start().await;
    let good = Receiver::start().await;
    let bad = Receiver::answering(|_| "500 Internal Server Error".to_owned()).await;
    let moved =
        Receiver::answering(|_| "302 Found\r\nlocation: http://127.0.0.1/".to_owned()).await;
    let body = json!({"urls": [bad.url, good.url, moved.url], "data": 1});
    let sent = send(&api, WEBHOOK, &body).await;
    assert_eq!(
        sent,
        json!({
            "success": false, "urls": [good.url], "error": "answered 500 Internal Server Error", "method": "POST",
            "failed": [
                {"target": bad.url, "error": "answered 500 Internal Server Error"},
                {"target": moved.url, "error": "redirects are not followed"},
            ],
        })
    );
    let metrics = api.admin(Method::GET, "/metrics").send().await.text;
    for line in [
        "pushi_direct_messages_total{kind=\"web\",outcome=\"delivered\"} 1",
        "pushi_direct_messages_total{kind=\"web\",outcome=\"given_up\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_receiver_with_the_previous_secret_gets_its_signature() {
    let api = start().await;
    let rotated = api.session(Method::POST, "/apps/shop/rotate").send().await;
    assert_eq!(rotated.status, 200);
    let mut receiver = Receiver::answering(|call| {
        let at = Timestamp::from_micros(1_795_337_092_270_000);
        let previous = message_signature(&Secret::new("shop-secret"), at, &call.bytes);
        let fits = call.header("x-pushi-signature") == previous;
        if fits { "200 OK" } else { "401 Unauthorized" }.to_owned()
    })
    .await;
    let sent = send(&api, WEBHOOK, &json!({"url": receiver.url, "data": {}})).await;
    assert_eq!(sent["success"], true, "{sent}");
    let (first, second) = (receiver.call().await, receiver.call().await);
    assert_eq!(
        first.header("x-pushi-event-id"),
        second.header("x-pushi-event-id")
    );
}

#[tokio::test]
async fn private_addresses_are_not_called() {
    let api = Setup {
        allow_private: false,
        ..Setup::default()
    }
    .start()
    .await;
    let mut receiver = Receiver::start().await;
    let port = receiver.url.split([':', '/']).nth(4).unwrap().to_owned();
    let urls = [
        receiver.url.clone(),
        format!("http://127.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];
    let sent = send(&api, WEBHOOK, &json!({"urls": urls, "data": 1})).await;
    assert_eq!(
        (&sent["success"], &sent["urls"]),
        (&json!(false), &json!([]))
    );
    let failed = sent["failed"].as_array().unwrap();
    assert_eq!(failed.len(), urls.len());
    for failure in failed {
        let error = failure["error"].as_str().unwrap();
        assert!(error.contains("private network"), "{failure}");
    }
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn a_body_that_is_not_understood_names_its_member() {
    let api = start().await;
    let url = "https://shop.example/hook";
    for (body, expected) in [
        (json!({}), "No webhook URL specified"),
        (json!({"urls": [], "data": 1}), "No webhook URL specified"),
        (json!({"url": "", "data": 1}), "No webhook URL specified"),
        (json!({"url": url}), "No data specified"),
        (json!({"url": url, "data": null}), "No data specified"),
        (
            json!({"urls": [url, 7], "data": 1}),
            "urls must be a string or a list of strings",
        ),
        (
            json!({"urls": ["shop.example"], "data": 1}),
            "urls must be an http:// or https:// address",
        ),
        (
            json!({"url": "https://u:p@shop.example", "data": 1}),
            "url must be an http:// or https:// address",
        ),
        (
            json!({"url": url, "data": 1, "method": "PATCH"}),
            "method must be POST, PUT, GET or DELETE",
        ),
        (
            json!({"url": url, "data": 1, "method": 7}),
            "method must be POST, PUT, GET or DELETE",
        ),
        (
            json!({"url": url, "data": 1, "method": ""}),
            "method must be POST, PUT, GET or DELETE",
        ),
        (
            json!({"urls": [url], "url": "", "data": 1}),
            "url must be an http:// or https:// address",
        ),
        (
            json!({"url": url, "data": 1, "headers": []}),
            "headers must be an object",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"x": 1}}),
            "headers must be an object",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"Host": "x"}}),
            "belongs to the connection",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"content-length": "1"}}),
            "belongs to the connection",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"X-Pushi-Signature": "x"}}),
            "belongs to the signature",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"a b": "x"}}),
            "no header can have",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"a": "x\r\nb: c"}}),
            "no header can have",
        ),
        (
            json!({"url": url, "data": 1, "headers": {"a": "x".repeat(8193)}}),
            "8192 bytes",
        ),
        (json!([]), "the body must be a JSON object"),
    ] {
        let message = refused(&api, WEBHOOK, &body).await;
        assert!(message.contains(expected), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_session_is_needed() {
    let api = start().await;
    for path in [WEBHOOK, "/messaging/web_push", "/messaging/send"] {
        let ask = api.ask(Method::POST, path).json(&json!({}));
        ask.send().await.problem(401);
        let ask = api.admin(Method::POST, path).json(&json!({}));
        ask.send().await.problem(403);
    }
    api.ask(Method::GET, "/vapid_key").send().await.problem(401);
}
