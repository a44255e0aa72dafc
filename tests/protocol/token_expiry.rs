//! The end of tokens, on a paused clock.

use std::time::Duration;

use pushi_test_support::{Client, Frame, TestEnv};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::user_token::{TokenClient, TokenServer};

/// The next frame, and the seconds until it arrived.
async fn after(client: &mut Client, since: Instant) -> (Frame, u64) {
    loop {
        if let Message::Text(text) = client.next_message_unbounded().await {
            return (Frame::read(&text), since.elapsed().as_secs());
        }
    }
}

async fn subscribe(client: &mut Client, channels: &[&str]) {
    for channel in channels {
        let frame = client.subscribe_plain(channel).await;
        assert_eq!(frame.event(), "pusher_internal:subscription_succeeded");
    }
}

pub(crate) async fn what_a_token_granted_ends_with_it(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let since = Instant::now();
    let claims = json!({"channels": ["private-*", "presence-a"]});
    let accepted = client.present(&server.token_for(60.0, claims)).await;
    assert!([59, 60].map(Value::from).contains(&accepted["expires_in"]));
    let mut channels = vec!["private-a", "presence-a", "personal-ann"];
    subscribe(&mut client, &channels).await;
    subscribe(&mut client, &["news"]).await;
    let signed = json!({"channel": "private-signed", "auth": client.auth("private-signed")});
    client.send_subscribe_data(signed).await;
    client
        .expect("pusher_internal:subscription_succeeded")
        .await;
    while !channels.is_empty() {
        let (frame, came) = after(&mut client, since).await;
        assert!((59..=61).contains(&came), "after {came} s: {frame:?}");
        assert_eq!(frame.code(), 4009, "{frame:?}");
        let known = channels.len();
        channels.retain(|channel| *channel != frame.channel());
        assert_eq!(channels.len(), known - 1, "{frame:?}");
        assert!(frame.message().contains("expired") && frame.message().contains(frame.channel()));
    }
    for channel in [
        "private-a",
        "presence-a",
        "personal-ann",
        "private-signed",
        "news",
    ] {
        server.publish_transient(channel, channel).await;
    }
    for channel in ["private-signed", "news"] {
        assert_eq!(client.expect("call").await.data(), channel);
    }
    for channel in ["private-a", "personal-ann"] {
        client
            .send_subscribe_data(json!({"channel": channel}))
            .await;
        client.expect_error(4009).await;
    }
    // A fresh one, of any user, begins anew.
    client.present(&server.token(json!({"sub": "bob"}))).await;
    subscribe(&mut client, &["personal-bob"]).await;
}

pub(crate) async fn a_fresh_token_extends(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let since = Instant::now();
    let claims = json!({"channels": ["private-a"]});
    client
        .present(&server.token_for(60.0, claims.clone()))
        .await;
    subscribe(&mut client, &["private-a"]).await;
    client.present(&server.token_for(100.0, claims)).await;
    let (frame, came) = after(&mut client, since).await;
    assert_eq!((frame.code(), frame.channel()), (4009, "private-a"));
    assert!((99..=101).contains(&came), "after {came} s");
}

pub(crate) async fn a_required_sign_in_is_one_by_a_token(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.settings.require_signin = true;
            setup.settings.signin_timeout = Duration::from_secs(5);
        })
        .await;
    let mut client = server.client().await;
    let since = Instant::now();
    client.present(&server.token_for(60.0, json!({}))).await;
    let (frame, came) = after(&mut client, since).await;
    assert_eq!(frame.code(), 4009, "{frame:?}");
    assert!((64..=68).contains(&came), "after {came} s");
    assert_eq!(client.expect_close().await, 4009);
}
