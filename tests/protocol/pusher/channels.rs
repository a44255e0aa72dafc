//! Subscribing, unsubscribing, and receiving events.

use pushi::core::model::SocketId;
use pushi_test_support::{TestEnv, replay};
use serde_json::json;

pub(super) async fn a_public_channel_needs_nothing(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client.send_subscribe("news", json!({})).await;
    let frame = client.next().await;
    assert_eq!(
        frame.text,
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{}"}"#
    );
    server.trigger(&["news"], "headline", "x").await;
    assert_eq!(client.expect_data("news", "headline").await, "x");
}

pub(super) async fn a_private_channel_needs_its_signature(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, other] = server.pushers().await;
    let good = client.auth("private-x");
    for auth in [
        json!(""),
        json!(null),
        json!("x"),
        json!(client.auth("private-y")),
        json!(other.auth("private-x")),
        json!(7),
    ] {
        if auth.is_number() {
            client.next_is_invalid();
        }
        client
            .send_subscribe_data(json!({"channel": "private-x", "auth": auth}))
            .await;
        client
            .expect_subscription_error("private-x", "AuthError", 401)
            .await;
    }
    server.trigger(&["private-x"], "secret", "x").await;
    client.expect_nothing().await;
    client
        .send_subscribe_data(json!({"channel": "private-x", "auth": good}))
        .await;
    assert_eq!(client.expect_subscribed("private-x").await, json!({}));
    // A back end may sign data for any channel.
    let auth = client.auth_over("private-z", "anything");
    client
        .send_subscribe_data(
            json!({"channel": "private-z", "auth": auth, "channel_data": "anything"}),
        )
        .await;
    client.expect_subscribed("private-z").await;
}

pub(super) async fn an_encrypted_channel_is_a_private_one(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client
        .send_subscribe_data(json!({"channel": "private-encrypted-x", "auth": ""}))
        .await;
    client
        .expect_subscription_error("private-encrypted-x", "AuthError", 401)
        .await;
    client.subscribe("private-encrypted-x").await;
    let sealed = r#"{"nonce":"4sVYwy4j/8dCcjyxtPCWyk19GaaViaW9","ciphertext":"/GMESnFGlbNn01BuBjp31XYa3i9vZsGKR8fgR9EDhXKx3lzGiUD501A="}"#;
    server
        .trigger(&["private-encrypted-x"], "sealed", sealed)
        .await;
    assert_eq!(
        client.expect_data("private-encrypted-x", "sealed").await,
        sealed,
        "passed through untouched"
    );
}

pub(super) async fn subscribers_get_events_in_this_form(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("news").await;
    server
        .trigger(&["news"], "head\"line", "{\"a\":\"é\"}")
        .await;
    let frame = client.next().await;
    assert_eq!(
        frame.text,
        r#"{"event":"head\"line","channel":"news","data":"{\"a\":\"é\"}"}"#
    );
}

pub(super) async fn subscribing_again_is_answered_again(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("news").await;
    client.subscribe("news").await;
    assert_eq!(server.subscriptions("news").await, 1);
    server.trigger(&["news"], "e", "once").await;
    assert_eq!(client.expect_data("news", "e").await, "once");
    client.unsubscribe("news").await;
    client.expect_nothing().await;
    assert_eq!(server.subscriptions("news").await, 0);
}

pub(super) async fn there_is_no_answer_to_leaving(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("news").await;
    client.unsubscribe("news").await;
    client.unsubscribe("news").await;
    client.unsubscribe("never-was").await;
    client.expect_nothing().await;
    server.trigger(&["news"], "e", "x").await;
    client.expect_nothing().await;
    client.subscribe("news").await;
    server.trigger(&["news"], "e", "y").await;
    assert_eq!(client.expect_data("news", "e").await, "y");
}

pub(super) async fn a_publish_to_several_channels_arrives_once_per_channel(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("a").await;
    client.subscribe("b").await;
    server.trigger(&["a", "b", "c"], "e", "x").await;
    assert_eq!(
        (
            client.expect_data("a", "e").await,
            client.expect_data("b", "e").await
        ),
        ("x".into(), "x".into())
    );
    server.publish(&["a", "b"], "e", "y", false).await;
    assert_eq!(
        (
            client.expect_data("a", "e").await,
            client.expect_data("b", "e").await
        ),
        ("y".into(), "y".into())
    );
    client.expect_nothing().await;
}

pub(super) async fn the_excepted_socket_gets_nothing(env: &TestEnv) {
    let server = env
        .server_with(|setup| replay(&mut setup.settings, "kept-", 0))
        .await;
    let [mut one, mut two] = server.pushers().await;
    for client in [&mut one, &mut two] {
        client.subscribe("news").await;
        client.subscribe("kept-news").await;
    }
    let except = SocketId::parse(&one.id);
    server
        .trigger_except(&["news", "kept-news"], "e", "x", except)
        .await;
    // What is stored first has an order of its own.
    let mut heard =
        [two.expect("e").await, two.expect("e").await].map(|frame| frame.channel().to_owned());
    heard.sort();
    assert_eq!(heard, ["kept-news", "news"]);
    one.expect_nothing().await;
}

pub(super) async fn channels_of_a_socket_are_bounded(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.limits.max_channels_per_connection = Some(2))
        .await;
    let mut client = server.pusher_on("a").await;
    client.subscribe("b").await;
    client.send_subscribe("c", json!({})).await;
    client
        .expect_subscription_error("c", "LimitReached", 403)
        .await;
    client.unsubscribe("a").await;
    client.subscribe("c").await;
}

pub(super) async fn a_personal_channel_needs_its_user_or_a_signature(env: &TestEnv) {
    let server = env.server().await;
    let [mut stranger, mut signed] = server.pushers().await;
    stranger
        .send_subscribe_data(json!({"channel": "personal-ann", "auth": ""}))
        .await;
    stranger
        .expect_subscription_error("personal-ann", "AuthError", 401)
        .await;
    signed.subscribe("personal-ann").await;
    let mut ann = server.signed_in("ann").await;
    ann.send_subscribe_data(json!({"channel": "personal-ann", "auth": ""}))
        .await;
    ann.expect_subscribed("personal-ann").await;
    ann.send_subscribe_data(json!({"channel": "personal-bo", "auth": ""}))
        .await;
    ann.expect_subscription_error("personal-bo", "AuthError", 401)
        .await;
    server.trigger(&["personal-ann"], "e", "x").await;
    assert_eq!(
        (
            ann.expect_data("personal-ann", "e").await,
            signed.expect_data("personal-ann", "e").await
        ),
        ("x".into(), "x".into())
    );
    stranger.expect_nothing().await;
}

pub(super) async fn a_name_that_begins_with_peer_is_an_ordinary_one(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("peer-review").await;
    server.trigger(&["peer-review"], "e", "x").await;
    assert_eq!(client.expect_data("peer-review", "e").await, "x");
}
