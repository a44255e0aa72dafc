//! WebSocket addresses behind proxies, and requests to them that are no upgrade.

use pushi::config::variables::PUSHI_TRUSTED_PROXIES;

use super::{Whole, handshake};

const HANDSHAKE: &str =
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\n";

#[tokio::test]
async fn a_plain_request_to_a_websocket_address_is_426() {
    let whole = Whole::start(&[]).await;
    let addresses = [
        "/app/shop-key",
        "/app/any?protocol=7",
        "/shop-key",
        "/p/shop-key",
        "/p/app/k",
    ];
    for address in addresses {
        for (version, headers) in [
            ("1.1", ""),
            ("1.1", "connection: close\r\n"),
            ("1.0", ""),
            ("1.0", UPGRADE),
            ("1.1", "upgrade: websocket\r\n"),
            ("1.1", "connection: upgrade\r\n"),
            ("1.1", "connection: upgrade\r\nupgrade: h2c\r\n"),
        ] {
            for handshake in ["", HANDSHAKE] {
                let request =
                    format!("GET {address} HTTP/{version}\r\nhost: a\r\n{headers}{handshake}\r\n");
                let answer = whole.ask(&request).await;
                assert_eq!(answer.status, 426, "{request}: {answer:?}");
                assert_eq!(answer.header("upgrade"), Some("websocket"), "{answer:?}");
                let connection = answer.header("connection").unwrap();
                assert!(connection.contains("upgrade"), "{answer:?}");
                assert!(answer.body.contains("proxy"), "{answer:?}");
            }
        }
    }
    // The key of no app, from a WebSocket client whose proxy drops what it does not know.
    let request = format!("GET /other HTTP/1.1\r\nhost: a\r\n{HANDSHAKE}\r\n");
    assert_eq!(whole.ask(&request).await.status, 426);
}

#[tokio::test]
async fn other_requests_are_answered_as_ever() {
    let whole = Whole::start(&[]).await;
    for (request, status) in [
        ("GET /other", 404),
        ("GET /app/", 404),
        ("POST /app/shop-key", 404),
        ("GET /apps/shop-key", 401),
        ("GET /health/live", 200),
        ("GET /", 200),
    ] {
        let answer = whole
            .ask(&format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert_eq!(answer.header("upgrade"), None);
    }
}

/// What a client of an app with `tls_only` receives after its upgrade.
async fn expect(whole: &Whole, headers: &str, expected: &str) {
    let mut conn = whole.connect().await;
    conn.send(handshake("/app/shop-key?protocol=7", headers))
        .await;
    assert_eq!(conn.answer().await.status, 101, "{headers}");
    conn.until(expected).await;
}

#[tokio::test]
async fn tls_that_a_trusted_proxy_states_counts() {
    let whole = Whole::start(&[(PUSHI_TRUSTED_PROXIES, "127.0.0.1")]).await;
    whole.set(|settings| settings.tls_only = true).await;
    let established = "pusher:connection_established";
    for headers in [
        // The default of Traefik.
        "x-forwarded-proto: wss\r\n",
        "X-Forwarded-Proto: HTTPS\r\n",
        "x-forwarded-proto: https, http\r\n",
        "x-forwarded-proto: http\r\nx-forwarded-proto: wss\r\n",
        "forwarded: for=1.1.1.1;proto=https;by=2.2.2.2\r\n",
        "forwarded: for=\"[2001:db8::1]:80\";PROTO=\"wss\", for=10.0.0.1\r\n",
        "x-forwarded-ssl: on\r\n",
    ] {
        expect(&whole, headers, established).await;
    }
    // Known to be plain: pusher-js changes to TLS on this code.
    expect(&whole, "x-forwarded-proto: ws\r\n", "\"code\":4000").await;
    expect(&whole, "", "\"code\":4000").await;
}

/// pusher-js connects again at once on 4000, and never on 4009.
#[tokio::test]
async fn tls_that_no_trusted_proxy_states_ends_without_a_loop() {
    let whole = Whole::start(&[(PUSHI_TRUSTED_PROXIES, "10.0.0.1")]).await;
    whole.set(|settings| settings.tls_only = true).await;
    for headers in [
        "x-forwarded-proto: wss\r\n",
        "x-forwarded-for: 1.1.1.1\r\n",
        "forwarded: proto=https\r\n",
        "via: 1.1 proxy\r\n",
    ] {
        expect(&whole, headers, "\"code\":4009").await;
        expect(&whole, headers, "PUSHI_TRUSTED_PROXIES").await;
    }
}
