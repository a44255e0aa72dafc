//! Refusals, limits, and the ends of streams.

use pushi::config::variables::{PUSHI_ALLOWED_ORIGINS, PUSHI_DRAIN_SECONDS, PUSHI_MAX_CONNECTIONS};
use pushi::core::model::AppIdent;
use serde_json::{Value, json};

use super::{Events, LINES, parse, publish_on, request, until_connections};
use crate::tcp::Whole;

#[tokio::test]
async fn refusals_have_the_form_of_other_errors() {
    let whole = Whole::start(&[]).await;
    for (path, headers, status) in [
        ("/stream/other?channel=a", "", 404),
        ("/stream/shop-key", "", 400),
        ("/stream/shop-key?channel=%00", "", 400),
        ("/stream/shop-key?channel=a&since=x", "", 400),
        ("/stream/shop-key?channel=a&wait=61", "", 400),
        ("/stream/shop-key?channel=private-a", "", 401),
        ("/stream/shop-key?channel=a&channel=presence-a", "", 401),
        ("/stream/shop-key?channel=a", "accept: text/html\r\n", 406),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        let answer = whole.ask(&request).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (&body["result"], &body["code"]),
            (&json!("error"), &json!(status))
        );
        assert!(answer.closes());
    }
    until_connections(&whole, 0).await;
    whole.set(|settings| settings.enabled = false).await;
    assert_eq!(whole.ask(&request("channel=a", "")).await.status, 403);
}

#[tokio::test]
async fn limits_of_connections_include_streams() {
    let whole = Whole::start(&[(PUSHI_MAX_CONNECTIONS, "2")]).await;
    whole
        .set(|settings| settings.limits.max_connections = Some(1))
        .await;
    let first = Events::open(&whole, "channel=a", "").await;
    let refused = whole.ask(&request("channel=a", "")).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1"))
    );
    whole
        .set(|settings| settings.limits.max_connections = None)
        .await;
    let _second = Events::open(&whole, "channel=a", "").await;
    assert_eq!(whole.ask(&request("channel=a", "")).await.status, 503);
    drop(first);
    until_connections(&whole, 1).await;
    Events::open(&whole, "channel=a", "").await;
}

#[tokio::test]
async fn origins_are_those_of_websockets() {
    let whole = Whole::start(&[(PUSHI_ALLOWED_ORIGINS, "https://shop.example")]).await;
    let events = Events::open(&whole, "channel=a", "origin: https://shop.example\r\n").await;
    let allowed = events.head.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://shop.example"));
    let refused = whole
        .ask(&request("channel=a", "origin: https://other.example\r\n"))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("access-control-allow-origin"), None);
    Events::open(&whole, "channel=a", "").await;
}

#[tokio::test]
async fn a_stop_spreads_the_clients_of_streams() {
    let whole = Whole::start(&[(PUSHI_DRAIN_SECONDS, "0")]).await;
    let mut events = Events::open(&whole, "channel=a", "").await;
    let mut lines = whole.connect().await;
    lines.send(request("channel=a", LINES)).await;
    lines.answer().await;
    let mut waiting = whole.connect().await;
    waiting.send(request("channel=a&wait=30", "")).await;
    until_connections(&whole, 3).await;
    drop(whole);
    let rest = events.conn.rest().await;
    let retry = rest
        .lines()
        .find_map(|line| line.strip_prefix("retry: "))
        .unwrap();
    assert!((1000..11_000).contains(&retry.parse().unwrap()), "{rest}");
    assert!(
        rest.contains("event: error\ndata: {") && rest.contains("\"code\":4200"),
        "{rest}"
    );
    let last: Value = serde_json::from_str(&lines.rest().await).unwrap();
    assert_eq!(last["error"]["code"], 4200);
    assert_eq!(waiting.answer().await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a", "").await;
    let large = "x".repeat(60_000);
    let closed = "pushi_connections_closed_total{reason=\"slow_reader\"} 1";
    for _ in 0..1000 {
        publish_on(&whole, &["a"], &large, false).await;
        if whole.metrics().contains(closed) {
            break;
        }
    }
    let closing = async {
        while !whole.metrics().contains(closed) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::listen::BROKEN, closing)
        .await
        .unwrap();
    let rest = events.conn.rest().await;
    assert!(rest.contains("\"code\":4100"), "{}", rest.len());
}

#[tokio::test]
async fn a_deleted_app_ends_its_streams() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a", "").await;
    let app = AppIdent::parse("shop").unwrap();
    whole.service.delete_app(&app).await.unwrap();
    let last = parse(&events.conn.rest().await);
    assert_eq!(last.name.as_deref(), Some("error"));
    assert_eq!(last.data["data"]["code"], 4001);
}

#[tokio::test]
async fn clients_publish_by_post_with_the_rights_of_a_connection() {
    let whole = Whole::start(&[]).await;
    let mut events = Events::open(&whole, "channel=a", "").await;
    let own = events.head.header("pushi-stream").unwrap().to_owned();
    let post = |query: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /stream/shop-key?{query} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let body = r#"{"channel":"a","event":"chat","data":"hi"}"#;
    let silent = whole.ask(&post(&format!("stream={own}"), body)).await;
    assert_eq!(silent.status, 200, "{silent:?}");
    let published: Value = serde_json::from_str(&silent.body).unwrap();
    assert_eq!(published["events"][0]["serial"], 1);
    let echoed = whole
        .ask(&post(&format!("stream={own}&echo=true"), body))
        .await;
    assert_eq!(echoed.status, 200);
    let event = events.next().await;
    assert_eq!(
        (&event.data["event"], &event.data["serial"]),
        (&json!("chat"), &json!(2))
    );
    let closed = whole
        .ask(&post("", r#"{"channel":"private-a","data":"hi"}"#))
        .await;
    assert_eq!(closed.status, 403);
    whole
        .set(|settings| settings.limits.max_publishes = Some(1))
        .await;
    let statuses = [
        whole.ask(&post("", body)).await.status,
        whole.ask(&post("", body)).await.status,
    ];
    assert!(statuses.contains(&429), "{statuses:?}");
    whole.set(|settings| settings.client_publish = false).await;
    assert_eq!(whole.ask(&post("", body)).await.status, 403);
}
