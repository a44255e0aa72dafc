//! Requests to a node's REST API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Way;
use crate::cluster::{APP, KEY, SECRET};

pub(crate) fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// Sends a request; returns the status and the body.
pub(crate) async fn request(
    port: u16,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> (u16, Value) {
    let answer = ask(port, method, target, headers, body).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Sends a request whose answer is not JSON.
pub(crate) async fn text(port: u16, target: &str) -> String {
    ask(port, "GET", target, "", "").await
}

async fn ask(port: u16, method: &str, target: &str, headers: &str, body: &str) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask_over(stream, method, target, headers, body).await
}

/// Sends a request over an open connection; returns the whole answer.
pub(crate) async fn ask_over(
    mut stream: impl Way,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> String {
    let asking = async {
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        );
        stream
            .write_all(format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(Duration::from_secs(20), asking)
        .await
        .unwrap_or_else(|_| panic!("no answer to {method} {target}"))
}

pub(crate) async fn get(port: u16, target: &str) -> (u16, Value) {
    request(port, "GET", target, "", "").await
}

/// A session token for the app.
pub(crate) async fn login(port: u16) -> String {
    let (status, answer) = get(
        port,
        &format!("/login?app_id={APP}&app_key={KEY}&app_secret={SECRET}"),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    answer["token"].as_str().unwrap().to_owned()
}

/// A signed request of the Pusher HTTP API; `path` is behind the app's, `query` as it is signed.
pub(crate) async fn pusher(
    port: u16,
    method: &str,
    path: &str,
    query: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let path = format!("/apps/{APP}{path}");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .to_string();
    let md5 = data_encoding::HEXLOWER.encode(&Md5::digest(body.as_bytes()));
    let mut pairs = vec![
        ("auth_key", KEY),
        ("auth_timestamp", &now),
        ("auth_version", "1.0"),
        ("body_md5", &md5),
    ];
    pairs.extend(query);
    pairs.sort_unstable();
    let query = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    let signature = sign(&format!("{method}\n{path}\n{query}"));
    request(
        port,
        method,
        &format!("{path}?{query}&auth_signature={signature}"),
        "",
        body,
    )
    .await
}
