//! Pings, pongs and timeouts.

use pushi_test_support::{PusherClient, TestEnv, TestServer};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// A server whose keep-alive ticks are driven by the test.
async fn held(env: &TestEnv) -> TestServer<'_> {
    env.server_with(|setup| setup.keep_alive = false).await
}

async fn pong(client: &mut PusherClient) {
    client
        .send(json!({"event": "pusher:pong", "data": "{}"}))
        .await;
    // Answered by the WebSocket layer, so it shows that the pong has been read.
    client.send_message(Message::Ping("".into())).await;
    assert_eq!(client.message().await, Some(Message::Pong("".into())));
}

pub(super) async fn a_ping_is_answered_by_a_pong(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    for ping in [
        json!({"event": "pusher:ping"}),
        json!({"event": "pusher:ping", "data": {}}),
        json!({"event": "pusher:ping", "data": "{}"}),
    ] {
        client.send(ping).await;
        assert_eq!(
            client.next().await.text,
            r#"{"event":"pusher:pong","data":"{}"}"#
        );
    }
    client.send_message(Message::Ping("x".into())).await;
    assert_eq!(client.message().await, Some(Message::Pong("x".into())));
}

pub(super) async fn a_silent_client_is_pinged(env: &TestEnv) {
    let server = held(env).await;
    let mut client = server.pusher().await;
    client.expect_nothing().await;
    // The first of these seconds saw the client's own ping.
    for _ in 0..3 {
        server.tick(3, 0);
    }
    client.expect_nothing().await;
    for _ in 0..4 {
        server.tick(3, 0);
    }
    assert_eq!(
        client.next().await.text,
        r#"{"event":"pusher:ping","data":"{}"}"#
    );
}

pub(super) async fn a_pong_or_anything_else_is_a_sign_of_life(env: &TestEnv) {
    let server = held(env).await;
    let mut client = server.pusher().await;
    client.expect_nothing().await;
    for round in 0..4 {
        for _ in 0..33 {
            server.tick(3, 0);
        }
        client.expect("pusher:ping").await;
        match round {
            0 => pong(&mut client).await,
            1 => {
                client.send_message("nonsense").await;
                client.expect_error(4310).await;
            }
            2 => client.expect_nothing().await,
            _ => {
                client.send_message(Message::Ping("".into())).await;
                assert_eq!(client.message().await, Some(Message::Pong("".into())));
            }
        }
    }
}

pub(super) async fn an_unanswered_ping_closes_with_4201(env: &TestEnv) {
    let server = held(env).await;
    let mut client = server.pusher().await;
    client.expect_nothing().await;
    for _ in 0..34 {
        server.tick(3, 0);
    }
    client.expect("pusher:ping").await;
    client.expect_rejection(4201).await;
}

pub(super) async fn pings_do_not_keep_an_idle_connection_open(env: &TestEnv) {
    let server = held(env).await;
    let mut client = server.pusher_on("news").await;
    server.tick(2, 8);
    for seconds in [2, 3] {
        for _ in 0..seconds {
            server.tick(2, 8);
        }
        client.expect("pusher:ping").await;
        pong(&mut client).await;
    }
    for _ in 0..3 {
        server.tick(100, 8);
    }
    client.expect_rejection(4202).await;
}
