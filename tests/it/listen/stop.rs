//! Shutdown of a listener.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::listen::{BROKEN, Setup};

#[tokio::test]
async fn idle_connections_are_closed_at_once_and_the_port_is_free() {
    let listener = Setup::default().start().await;
    let mut kept = listener.connect().await;
    kept.send("GET /one HTTP/1.1\r\nhost: a\r\n\r\n").await;
    kept.until("/one").await;
    let mut silent = listener.connect().await;
    listener.stop.cancel();
    timeout(BROKEN / 2, listener.serving)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(TcpStream::connect(listener.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered() {
    let mut listener = Setup::default().start().await;
    let mut client = listener.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    listener.waiting.notified().await;
    listener.stop.cancel();
    // It does not return while the request waits.
    assert!(
        timeout(Duration::from_millis(50), &mut listener.serving)
            .await
            .is_err()
    );
    listener.go_on.notify_one();
    let answer = client.rest().await;
    assert!(
        answer.ends_with("waited") && answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
    listener.serving.await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_end_is_not_waited_for() {
    let listener = Setup {
        drain: Duration::ZERO,
        ..Setup::default()
    }
    .start()
    .await;
    let mut client = listener.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    listener.waiting.notified().await;
    listener.stop.cancel();
    timeout(BROKEN / 2, listener.serving)
        .await
        .unwrap()
        .unwrap();
}
