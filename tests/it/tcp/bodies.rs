//! Limits on request bodies and HTTP connections, and the use beside them.

use std::time::Duration;

use pushi::config::variables::{
    PUSHI_BODY_TIMEOUT, PUSHI_MAX_BODY_BYTES, PUSHI_MAX_HTTP_CONNECTIONS,
    PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, PUSHI_TRUSTED_PROXIES,
};
use tokio::time::Instant;

use super::{Whole, login};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_408_and_a_prompt_one_is_read() {
    let whole = Whole::start(&[(PUSHI_BODY_TIMEOUT, "1s")]).await;
    let begun = Instant::now();
    let body = r#"{"app_id":"shop","app_key":"shop-key","app_secret":"shop-secret"}"#;
    for (framing, part) in [
        ("content-length: 65", "{"),
        ("transfer-encoding: chunked", "1\r\n{\r\n"),
    ] {
        let mut conn = whole.connect().await;
        let head = format!("POST /login HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
        conn.send(format!("{head}{part}")).await;
        let answer = conn.answer().await;
        assert_eq!((answer.status, answer.closes()), (408, true), "{answer:?}");
        assert!(answer.body.contains("PUSHI_BODY_TIMEOUT"), "{answer:?}");
        conn.closed().await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert!(
        whole
            .metrics()
            .contains("pushi_http_refused_total{limit=\"body_timeout\"} 2")
    );
    // In pieces, but in time.
    let mut conn = whole.connect().await;
    conn.send("POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 65\r\n\r\n")
        .await;
    for byte in body.as_bytes() {
        conn.send([*byte]).await;
    }
    assert_eq!(conn.answer().await.status, 200);
}

/// Each single byte of a body would keep a read buffer of 8 KiB.
#[tokio::test]
async fn a_body_of_single_bytes_is_read_whole() {
    let whole = Whole::start(&[]).await;
    let token = login(&whole).await;
    let data = "x".repeat(5000);
    let body = format!(r#"{{"channel":"c","event":"e","data":"{data}"}}"#);
    let mut conn = whole.connect().await;
    let length = body.len();
    conn.send(format!(
        "POST /events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    for byte in body.as_bytes() {
        conn.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(conn.answer().await.status, 200);
}

/// A client without credentials cannot have the server wait for a body.
#[tokio::test]
async fn signed_routes_judge_the_query_before_the_body() {
    let whole = Whole::start(&[]).await;
    for (query, message) in [
        ("", "auth_key is missing"),
        (
            "auth_key=other&auth_version=1.0&auth_timestamp=1&auth_signature=x",
            "auth_key",
        ),
        (
            "auth_key=shop-key&auth_version=1.0&auth_timestamp=1&auth_signature=x",
            "auth_timestamp",
        ),
    ] {
        let mut conn = whole.connect().await;
        conn.send(format!(
            "POST /apps/shop/events?{query} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n"
        ))
        .await;
        let answer = conn.answer().await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.body.contains(message), "{answer:?}");
    }
}

#[tokio::test]
async fn a_login_judges_the_declared_size_before_the_body() {
    let whole = Whole::start(&[]).await;
    let mut conn = whole.connect().await;
    conn.send("POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 20000\r\n\r\n")
        .await;
    let answer = conn.answer().await;
    // The rest of the body is within the general limit.
    assert_eq!((answer.status, answer.closes()), (413, false), "{answer:?}");
    assert!(
        whole
            .metrics()
            .contains("pushi_http_refused_total{limit=\"body_bytes\"} 1")
    );
    let whole = Whole::start(&[(PUSHI_MAX_BODY_BYTES, "0")]).await;
    let head = "POST /login HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5000\r\n";
    let mut conn = whole.connect().await;
    conn.send(head).await;
    conn.send("x".repeat(0x5000)).await;
    assert_eq!(conn.answer().await.status, 413);
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_and_websockets_do_not_count() {
    for (setting, proxies, status) in [
        (PUSHI_MAX_HTTP_CONNECTIONS, "127.0.0.1", 503),
        (PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, "10.0.0.1", 429),
    ] {
        let whole = Whole::start(&[(setting, "2"), (PUSHI_TRUSTED_PROXIES, proxies)]).await;
        let mut open = [whole.connect().await, whole.connect().await];
        for conn in &mut open {
            conn.send(LIVE).await;
            assert_eq!(conn.answer().await.status, 200);
        }
        let mut third = whole.connect().await;
        third.send(LIVE).await;
        let answer = third.answer().await;
        assert_eq!(
            (answer.status, answer.closes()),
            (status, true),
            "{answer:?}"
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.body.contains(setting.name), "{answer:?}");
        third.closed().await;
        assert!(whole.metrics().contains("pushi_http_connections 2"));
        // A WebSocket, and the connections that are open.
        whole.greeted().await;
        for conn in &mut open {
            conn.send(LIVE).await;
            assert_eq!(conn.answer().await.status, 200);
        }
        // The place of a connection that ends is free.
        let [mut first, _second] = open;
        first
            .send("GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
        first.answer().await;
        first.closed().await;
        drop(first);
        while whole.metrics().contains("pushi_http_connections 2") {
            tokio::task::yield_now().await;
        }
        let mut next = whole.connect().await;
        next.send(LIVE).await;
        assert_eq!(next.answer().await.status, 200);
    }
}

/// All clients share the address of their proxy.
#[tokio::test]
async fn trusted_proxies_have_no_limit_per_address() {
    let settings = [
        (PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, "1"),
        (PUSHI_TRUSTED_PROXIES, "127.0.0.1"),
    ];
    let whole = Whole::start(&settings).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut conn = whole.connect().await;
        conn.send(LIVE).await;
        assert_eq!(conn.answer().await.status, 200);
        open.push(conn);
    }
}
