//! HTTP over the listener: heads, bodies, keep-alive, and errors.

use std::time::Duration;

use pushi::inbound::listen::ListenerRole;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::listen::{Client, Listener, Setup};

const SHORT: Duration = Duration::from_millis(100);

/// The status and the error object of an answer that ends its connection.
pub(super) fn error_of(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_ascii_lowercase();
    for header in [
        "content-type: application/json; charset=utf-8",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    let closes = |line: &str| line.starts_with("connection: ") && line.ends_with("close");
    assert!(head.lines().any(closes), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["result"], &body["code"]),
        (&"error".into(), &status.into())
    );
    assert_eq!(body["uid"].as_str().unwrap().len(), 32);
    (status, body)
}

async fn echo(client: &mut Client, word: &str) {
    client
        .send(format!(
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{word}",
            word.len()
        ))
        .await;
    let answer = client.until(word).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_kept() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    for word in ["one", "two", "three"] {
        echo(&mut client, word).await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client
        .send(
            ["/a", "/b", "/c"]
                .map(|path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
                .concat(),
        )
        .await;
    client.until("/a").await;
    client.until("/b").await;
    client.until("/c").await;
}

#[tokio::test]
async fn a_head_and_a_body_may_come_in_pieces() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    for byte in
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    {
        client.send([*byte]).await;
    }
    assert!(client.rest().await.ends_with("\r\n\r\nabc"));
}

#[tokio::test]
async fn a_half_closed_client_is_answered() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.0.shutdown().await.unwrap();
    listener.waiting.notified().await;
    listener.go_on.notify_one();
    assert!(client.rest().await.ends_with("waited"));
}

#[tokio::test]
async fn expect_continue_is_answered() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("abc").await;
    client.until("abc").await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed() {
    let listener = Setup {
        handshake: SHORT,
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(listener.ask("").await, "");
    assert_eq!(listener.ask("GET / HTTP/1.1\r\nhost: a\r\n").await, "");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let listener = Setup::default().start().await;
    let (status, body) = error_of(
        &listener
            .ask(format!("GET / HTTP/1.1\r\na: {}", "x".repeat(20_000)))
            .await,
    );
    assert_eq!((status, body["name"].as_str()), (431, Some("HeadTooLarge")));
    let many = "a: b\r\n".repeat(101);
    assert_eq!(
        error_of(&listener.ask(format!("GET / HTTP/1.1\r\n{many}\r\n")).await).0,
        431
    );
}

/// The client keeps sending: without a lingering close the reset would overtake the answer.
#[tokio::test]
async fn a_flood_does_not_swallow_its_answer() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client
        .send(format!("GET / HTTP/1.1\r\na: {}", "x".repeat(300_000)))
        .await;
    assert_eq!(error_of(&client.rest().await).0, 431);

    let mut client = listener.connect().await;
    client
        .send("POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n")
        .await;
    client.send("x".repeat(300_000)).await;
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too large"),
        "{answer}"
    );
}

#[tokio::test]
async fn invalid_http_is_400() {
    let listener = Setup::default().start().await;
    for bad in [
        &b"\0\0\0\0"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        let (status, body) = error_of(&listener.ask(bad).await);
        assert_eq!(
            (status, body["name"].as_str()),
            (400, Some("BadRequest")),
            "{bad:?}"
        );
    }
    let (_, body) = error_of(&listener.ask([0x16, 3, 1, 0, 5]).await);
    assert!(
        body["message"].as_str().unwrap().contains("plain HTTP"),
        "{body}"
    );
}

/// An idle keep-alive connection, and one with an incomplete request head.
#[tokio::test]
async fn a_still_connection_is_closed() {
    let listener = Setup {
        http_idle: SHORT,
        ..Setup::default()
    }
    .start()
    .await;
    for more in ["", "GET / HT"] {
        let mut client = listener.connect().await;
        echo(&mut client, "one").await;
        client.send(more).await;
        assert_eq!(client.rest().await, "", "{more}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let listener = Setup {
        http_idle: SHORT,
        ..Setup::default()
    }
    .start()
    .await;
    let mut client = listener.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    let answer = client.rest().await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_panic_is_a_500_and_nothing_else_notices() {
    let listener = Setup::default().start().await;
    let mut other = listener.connect().await;
    echo(&mut other, "before").await;
    let (status, body) = error_of(&listener.ask("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await);
    assert_eq!((status, body["name"].as_str()), (500, Some("Internal")));
    echo(&mut other, "after").await;
}

async fn client_line(listener: &Listener, headers: &str) -> String {
    let answer = listener
        .ask(format!(
            "GET /client HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n"
        ))
        .await;
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_request_knows_its_client_and_its_listener() {
    let listener = Setup {
        role: ListenerRole::Server,
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(
        client_line(&listener, "").await,
        "127.0.0.1 false false Server http"
    );
    let forwarded = "x-forwarded-for: 1.1.1.1\r\nx-forwarded-proto: https\r\n";
    assert_eq!(
        client_line(&listener, forwarded).await,
        "127.0.0.1 false true Server http"
    );
    let listener = Setup {
        proxies: "127.0.0.0/8",
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(
        client_line(&listener, forwarded).await,
        "1.1.1.1 true true Api https"
    );
}
