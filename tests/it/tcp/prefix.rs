//! The server below a path of a proxy, which strips it or not.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use pushi::config::variables::PUSHI_PATH_PREFIX;
use pushi::core::auth::SignedRequest;
use pushi::core::model::Secret;

use super::{Whole, handshake, login};

/// A publish that a library signed over `signed`, sent to `path`.
fn publish(signed: &str, path: &str) -> String {
    let body = r#"{"name":"e","channel":"c","data":"d"}"#;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let query = [
        ("auth_key", "shop-key".to_owned()),
        ("auth_timestamp", now.to_string()),
        ("auth_version", "1.0".to_owned()),
        ("body_md5", HEXLOWER.encode(&Md5::digest(body))),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let request = SignedRequest {
        method: "POST",
        path: signed,
        query: &query,
        has_body: true,
    };
    let signature = request.signature(&Secret::new("shop-secret"));
    let query = query
        .map(|(name, value)| format!("{name}={value}"))
        .join("&");
    let length = body.len();
    format!(
        "POST {path}?{query}&auth_signature={signature} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn signatures_may_cover_the_prefix() {
    let (bare, below) = ("/apps/shop/events", "/realtime/apps/shop/events");
    let whole = Whole::start(&[(PUSHI_PATH_PREFIX, "realtime/")]).await;
    for (signed, path, status) in [
        // The proxy strips the prefix, does not, and a client in the house needs none.
        (below, bare, 200),
        (below, below, 200),
        (bare, bare, 200),
        ("/other/apps/shop/events", bare, 401),
        ("/other/apps/shop/events", "/other/apps/shop/events", 404),
        (bare, "/realtimes/apps/shop/events", 404),
    ] {
        let answer = whole.ask(&publish(signed, path)).await;
        assert_eq!(answer.status, status, "{signed} {path}: {answer:?}");
    }
    let whole = Whole::start(&[]).await;
    assert_eq!(whole.ask(&publish(bare, bare)).await.status, 200);
    assert_eq!(whole.ask(&publish(below, bare)).await.status, 401);
    assert_eq!(whole.ask(&publish(below, below)).await.status, 404);
}

#[tokio::test]
async fn everything_is_served_below_a_prefix_that_is_not_stripped() {
    let whole = Whole::start(&[(PUSHI_PATH_PREFIX, "/realtime")]).await;
    let token = login(&whole).await;
    for (path, status) in [
        ("/realtime", 200),
        ("/realtime/", 200),
        ("/realtime/docs", 200),
        ("/realtime/openapi.json", 200),
        ("/realtime/docs/websocket", 200),
        ("/realtime/asyncapi.json", 200),
        ("/realtime/pushi.js", 200),
        ("/realtime/examples/chat.html", 200),
        ("/realtime/health/live", 200),
        ("/realtime/events", 401),
        ("/realtime/realtime/health/live", 404),
        ("/realtime/shop-key", 426),
        ("/health/live", 200),
    ] {
        let answer = whole
            .ask(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let path = format!("/realtime/events?count=1&sid={token}");
    let answer = whole
        .ask(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for path in ["/realtime/shop-key", "/realtime/app/shop-key?protocol=7"] {
        let mut conn = whole.connect().await;
        conn.send(handshake(path, "")).await;
        assert_eq!(conn.answer().await.status, 101, "{path}");
        conn.until("pusher:connection_established").await;
    }
}

/// A path without the prefix stands in no page: they work below any.
#[tokio::test]
async fn pages_name_their_parts_relative_to_themselves() {
    let whole = Whole::start(&[]).await;
    let get = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        whole.ask(&request).await.body
    };
    let document: serde_json::Value = serde_json::from_str(&get("/openapi.json").await).unwrap();
    assert_eq!(document["servers"][0]["url"], ".");
    let docs = get("/docs").await;
    assert!(docs.contains("spec.servers[0].url = location.pathname"));
    let chat = get("/examples/chat.html").await;
    for part in ["src=\"../pushi.js\"", "fetch(\"app\")", "`auth?name="] {
        assert!(chat.contains(part), "{part}");
    }
    assert!(!chat.contains("src=\"/") && !chat.contains("href=\"/"));
}
