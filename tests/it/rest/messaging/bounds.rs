//! Bounds of direct messages in number and time.

use std::time::Duration;

use pushi_test_support::Receiver;
use serde_json::json;
use tokio::net::TcpListener;

use super::{refused, send};
use crate::rest::{Setup, start};

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other_and_is_given_up() {
    let api = Setup {
        notify_timeout: Duration::from_secs(1),
        ..Setup::default()
    }
    .start()
    .await;
    // The system accepts its connections, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let mut receiver = Receiver::start().await;
    let body = json!({"urls": [silent_url, receiver.url], "data": 1});
    let sent = async {
        let sent = send(&api, "/messaging/webhook", &body).await;
        assert_eq!(sent["urls"], json!([body["urls"][1]]));
        assert_eq!(
            sent["failed"],
            json!([{"target": silent_url, "error": sent["error"]}])
        );
        let error = sent["error"].as_str().unwrap();
        assert!(error.contains("timed out"), "{error}");
    };
    let (_, call) = tokio::join!(sent, receiver.call());
    assert_eq!(call.body, "1");
}

#[tokio::test]
async fn a_request_has_at_most_a_hundred_targets_of_a_kind() {
    let api = start().await;
    let urls: Vec<_> = (0..101)
        .map(|number| format!("https://shop.example/{number}"))
        .collect();
    let message = refused(
        &api,
        "/messaging/webhook",
        &json!({"urls": urls, "data": 1}),
    )
    .await;
    assert!(
        message.contains("101 entries: send at most 100"),
        "{message}"
    );
    let browsers = vec![json!({}); 101];
    let message = refused(
        &api,
        "/messaging/web_push",
        &json!({"subscriptions": browsers}),
    )
    .await;
    assert!(message.contains("101 entries"), "{message}");
}
