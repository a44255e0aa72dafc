//! WebSocket upgrades over the listener.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::listen::http::error_of;
use crate::listen::{Client, Setup};

/// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn upgrade(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n{more}\r\n"
    )
}

async fn expect_session(client: &mut Client, first_line: &str) {
    let head = client.until("\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    let lower = head.to_ascii_lowercase();
    assert!(
        lower.contains("\r\nupgrade: websocket\r\n")
            && lower.contains("\r\nconnection: upgrade\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("sec-websocket-accept: {ACCEPT}\r\n")),
        "{head}"
    );
    assert_eq!(client.until("\n").await, first_line);
    client.send("x marks").await;
    client.until("x marks").await;
}

#[tokio::test]
async fn a_first_request_may_be_an_upgrade() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client
        .send(upgrade("/key?a=b", "origin: https://x\r\n"))
        .await;
    expect_session(&mut client, "/key a=b https://x 127.0.0.1 false\n").await;
}

#[tokio::test]
async fn a_later_request_may_be_an_upgrade() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client.send("GET /first HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.until("/first").await;
    client.send(upgrade("/key", "")).await;
    expect_session(&mut client, "/key - - 127.0.0.1 false\n").await;
}

/// What a client sends right behind its head belongs to the session, on both ways there.
#[tokio::test]
async fn bytes_behind_the_head_are_not_lost() {
    let listener = Setup::default().start().await;
    for before in ["", "GET /first HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = listener.connect().await;
        client
            .send(format!("{before}{}hello", upgrade("/key", "")))
            .await;
        client.until("false\nhello").await;
    }
}

#[tokio::test]
async fn the_client_behind_a_trusted_proxy_is_known() {
    let listener = Setup {
        proxies: "127.0.0.1/32",
        ..Setup::default()
    }
    .start()
    .await;
    let mut client = listener.connect().await;
    client
        .send(upgrade(
            "/key",
            "x-forwarded-for: 1.1.1.1\r\nx-forwarded-proto: https\r\n",
        ))
        .await;
    expect_session(&mut client, "/key - - 1.1.1.1 true\n").await;
}

#[tokio::test]
async fn a_refused_upgrade_is_a_json_error() {
    let listener = Setup::default().start().await;
    for before in ["", "GET /first HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = listener.connect().await;
        client.send(before).await;
        if !before.is_empty() {
            client.until("/first").await;
        }
        client.send(upgrade("/", "")).await;
        let (status, body) = error_of(&client.rest().await);
        assert_eq!(
            (status, &body["name"], &body["message"]),
            (404, &"NotFound".into(), &"the path names no key".into())
        );
    }
}

#[tokio::test]
async fn refusals_precede_the_upgrade() {
    let listener = Setup::default().start().await;
    for before in ["", "GET /first HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = listener.connect().await;
        client.send(before).await;
        if !before.is_empty() {
            client.until("/first").await;
        }
        client
            .send(upgrade(
                "/key",
                "origin: https://evil.example\r\nconnection: close\r\n",
            ))
            .await;
        let (status, body) = error_of(&client.rest().await);
        assert_eq!(
            (status, &body["name"], &body["message"]),
            (403, &"Forbidden".into(), &"not from there".into())
        );
    }
}

#[tokio::test]
async fn a_handshake_must_be_right() {
    let listener = Setup::default().start().await;
    let without_key = upgrade("/key", "").replace(&format!("sec-websocket-key: {KEY}\r\n"), "");
    assert_eq!(error_of(&listener.ask(without_key).await).0, 400);
    for key in ["", "x", "dGhlIHNhbXBsZSBub25jZ", "AAAA"] {
        assert_eq!(
            error_of(&listener.ask(upgrade("/key", "").replace(KEY, key)).await).0,
            400,
            "{key}"
        );
    }
    let answer = listener
        .ask(upgrade("/key", "").replace("version: 13", "version: 8"))
        .await;
    assert_eq!(error_of(&answer).0, 426);
    for header in [
        "upgrade: websocket\r\n",
        "connection: Upgrade, close\r\n",
        "sec-websocket-version: 13\r\n",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
}

/// Some clients set the bits behind the last byte, or leave out the padding.
#[tokio::test]
async fn a_key_need_not_be_canonical() {
    let listener = Setup::default().start().await;
    for key in ["dGhlIHNhbXBsZSBub25jZf==", "dGhlIHNhbXBsZSBub25jZQ"] {
        let mut client = listener.connect().await;
        client.send(upgrade("/key", "").replace(KEY, key)).await;
        let head = client.until("\r\n\r\n").await;
        let accept = derive_accept_key(key.as_bytes());
        assert!(
            head.contains(&format!("sec-websocket-accept: {accept}\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn an_incomplete_upgrade_is_an_ordinary_request() {
    let listener = Setup::default().start().await;
    let cases = [
        upgrade("/x", "").replace("GET", "POST"),
        upgrade("/x", "").replace("HTTP/1.1", "HTTP/1.0"),
        upgrade("/x", "").replace("WebSocket", "h2c"),
        upgrade("/x", "").replace("keep-alive, Upgrade", "close"),
    ];
    for case in cases {
        let mut client = listener.connect().await;
        client.send(&case).await;
        let answer = client.until("/x").await;
        assert!(answer.contains(" 200 OK\r\n"), "{case}: {answer}");
    }
}

#[tokio::test]
async fn a_session_is_a_task_of_its_own() {
    let listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client.send(upgrade("/key", "")).await;
    expect_session(&mut client, "/key - - 127.0.0.1 false\n").await;
    assert_eq!(listener.sessions.len(), 1);
    drop(client);
    listener.sessions.close();
    listener.sessions.wait().await;
}

/// A client library that checks the handshake for itself.
#[tokio::test]
async fn a_real_client_is_content_with_the_handshake() {
    let listener = Setup::default().start().await;
    assert_eq!(derive_accept_key(KEY.as_bytes()), ACCEPT);
    let (_socket, answer) =
        tokio_tungstenite::connect_async(format!("ws://{}/key", listener.address))
            .await
            .unwrap();
    assert_eq!(answer.status(), 101);
}
