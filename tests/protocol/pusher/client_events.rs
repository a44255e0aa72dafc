//! Client events.

use std::time::Duration;

use pushi_test_support::{TestEnv, TestServer, replay};
use serde_json::json;

const ROOM: &str = "private-room";

async fn open(env: &TestEnv) -> TestServer<'_> {
    env.server_with(|setup| setup.settings.client_events = true)
        .await
}

pub(super) async fn the_others_get_it(env: &TestEnv) {
    let server = open(env).await;
    let [mut ann, mut bo] = [server.pusher_on(ROOM).await, server.pusher_on(ROOM).await];
    ann.send_client_event(ROOM, "client-typing", json!({"a": [1.5, "é"]}))
        .await;
    let text = r#"{"event":"client-typing","channel":"private-room","data":"{\"a\":[1.5,\"é\"]}"}"#;
    assert_eq!(bo.next().await.text, text);
    ann.send_client_event(ROOM, "client-typing", json!("text"))
        .await;
    assert_eq!(bo.expect_data(ROOM, "client-typing").await, "text");
    ann.expect_nothing().await;
}

pub(super) async fn on_presence_channels_it_names_the_user(env: &TestEnv) {
    let server = open(env).await;
    let [mut ann, mut bo] = server.pushers().await;
    ann.join("presence-r", json!({"user_id": "a\"nn"})).await;
    bo.join("presence-r", json!({"user_id": "bo"})).await;
    ann.expect_on("pusher_internal:member_added", "presence-r")
        .await;
    ann.next_is_invalid();
    ann.send(json!({"event": "client-typing", "channel": "presence-r", "data": "x", "user_id": "bo", "extra": 1})).await;
    let text = r#"{"event":"client-typing","channel":"presence-r","data":"x","user_id":"a\"nn"}"#;
    assert_eq!(bo.next().await.text, text);
}

pub(super) async fn the_app_must_allow_them(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = [server.pusher_on(ROOM).await, server.pusher_on(ROOM).await];
    ann.send_client_event(ROOM, "client-x", json!("x")).await;
    ann.expect_error(4313).await;
    bo.expect_nothing().await;
    server.set(|settings| settings.client_events = true).await;
    ann.send_client_event(ROOM, "client-x", json!("x")).await;
    bo.expect_data(ROOM, "client-x").await;
}

pub(super) async fn only_private_and_presence_channels_have_them(env: &TestEnv) {
    let server = open(env).await;
    let mut ann = server.signed_in("ann").await;
    for channel in [
        "news",
        "private-encrypted-x",
        "cache-x",
        "private-encrypted-cache-x",
        "#server-to-user-ann",
        "personal-ann",
    ] {
        ann.send_subscribe(channel, json!({})).await;
        ann.expect_subscribed(channel).await;
        if channel == "cache-x" || channel == "private-encrypted-cache-x" {
            ann.expect_on("pusher:cache_miss", channel).await;
        }
        ann.send_client_event(channel, "client-x", json!("x")).await;
        ann.expect_error(4315).await;
    }
}

pub(super) async fn non_subscribers_may_not_send_them(env: &TestEnv) {
    let server = open(env).await;
    let mut bo = server.pusher_on(ROOM).await;
    let mut ann = server.pusher().await;
    ann.send_client_event(ROOM, "client-x", json!("x")).await;
    ann.expect_error(4317).await;
    ann.subscribe(ROOM).await;
    ann.unsubscribe(ROOM).await;
    ann.send_client_event(ROOM, "client-x", json!("x")).await;
    ann.expect_error(4317).await;
    bo.expect_nothing().await;
}

pub(super) async fn too_fast_is_4301_and_the_connection_stays(env: &TestEnv) {
    let server = open(env).await;
    let [mut ann, mut bo] = [server.pusher_on(ROOM).await, server.pusher_on(ROOM).await];
    for _ in 0..11 {
        ann.send_client_event(ROOM, "client-x", json!("x")).await;
    }
    ann.expect_error(4301).await;
    for _ in 0..10 {
        bo.expect_data(ROOM, "client-x").await;
    }
    bo.expect_nothing().await;
    server.clock.advance(Duration::from_secs(1));
    ann.send_client_event(ROOM, "client-x", json!("y")).await;
    assert_eq!(bo.expect_data(ROOM, "client-x").await, "y");
    server
        .set(|settings| settings.limits.max_client_events = Some(0))
        .await;
    for _ in 0..30 {
        ann.send_client_event(ROOM, "client-x", json!("z")).await;
        bo.expect_data(ROOM, "client-x").await;
    }
}

pub(super) async fn invalid_names_are_refused(env: &TestEnv) {
    let server = open(env).await;
    let mut ann = server.pusher_on(ROOM).await;
    let longest = format!("client-{}", "x".repeat(193));
    ann.send_client_event(ROOM, &longest, json!("x")).await;
    ann.send_client_event(ROOM, &format!("{longest}x"), json!("x"))
        .await;
    ann.expect_error(4315).await;
    ann.next_is_invalid();
    ann.send_client_event(ROOM, "client-\u{0}", json!("x"))
        .await;
    ann.expect_error(4315).await;
    ann.expect_nothing().await;
}

pub(super) async fn they_are_kept_only_where_replay_names_the_channel(env: &TestEnv) {
    let server = open(env).await;
    server
        .set(|settings| replay(settings, "presence-kept", 10))
        .await;
    let [mut ann, mut bo] = server.pushers().await;
    for channel in ["presence-kept-1", "presence-other"] {
        ann.join(channel, json!({"user_id": "ann"})).await;
        bo.join(channel, json!({"user_id": "bo"})).await;
        ann.expect_on("pusher_internal:member_added", channel).await;
        for data in ["1", "2", "3"] {
            ann.send_client_event(channel, "client-x", json!(data))
                .await;
        }
        for data in ["1", "2", "3"] {
            let frame = bo.expect("client-x").await;
            assert_eq!(
                (frame.data(), &frame.value["user_id"]),
                (data, &json!("ann"))
            );
            assert_eq!(
                frame.value["serial"].is_u64(),
                channel == "presence-kept-1",
                "{frame:?}"
            );
        }
    }
    ann.expect_nothing().await;
    let mut late = server.pusher().await;
    late.join("presence-kept-1", json!({"user_id": "cy"})).await;
    for data in ["1", "2", "3"] {
        let frame = late.expect("client-x").await;
        assert_eq!(
            (frame.data(), &frame.value["user_id"]),
            (data, &json!("ann")),
            "who said it is kept, too"
        );
    }
    late.join("presence-other", json!({"user_id": "cy"})).await;
    late.expect_nothing().await;
}
