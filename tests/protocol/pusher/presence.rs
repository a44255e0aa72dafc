//! Presence channels.

use pushi_test_support::{PusherClient, TestEnv, TestServer};
use serde_json::{Value, json};

const ROOM: &str = "presence-room";

async fn on_room(server: &TestServer<'_>, user: &str) -> PusherClient {
    let mut client = server.pusher().await;
    client.join(ROOM, json!({"user_id": user})).await;
    client
}

pub(super) async fn the_answer_counts_and_lists_everybody(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = server.pushers().await;
    ann.join(ROOM, json!({"user_id": "1", "user_info": {"name": "Ann"}}))
        .await;
    bo.send_join(ROOM, &json!({"user_id": "2"})).await;
    let frame = bo.next().await;
    assert_eq!(
        frame.data(),
        r#"{"presence":{"count":2,"ids":["1","2"],"hash":{"1":{"name":"Ann"},"2":{}}}}"#
    );
}

pub(super) async fn joins_and_leaves_are_announced(env: &TestEnv) {
    let server = env.server().await;
    let mut ann = on_room(&server, "ann").await;
    let mut bo = server.pusher().await;
    bo.join(ROOM, json!({"user_id": "2", "user_info": {"name": "Bo"}}))
        .await;
    let added = r#"{\"user_id\":\"2\",\"user_info\":{\"name\":\"Bo\"}}"#;
    let text = format!(
        r#"{{"event":"pusher_internal:member_added","channel":"presence-room","data":"{added}"}}"#
    );
    assert_eq!(ann.next().await.text, text);
    bo.expect_nothing().await;
    bo.unsubscribe(ROOM).await;
    let text = r#"{"event":"pusher_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"2\"}"}"#;
    assert_eq!(ann.next().await.text, text);
    bo.expect_nothing().await;
    let third = on_room(&server, "3").await;
    ann.expect_on("pusher_internal:member_added", ROOM).await;
    third.0.abort().await;
    assert_eq!(
        ann.expect_on("pusher_internal:member_removed", ROOM).await,
        json!({"user_id": "3"})
    );
}

pub(super) async fn several_connections_are_one_member(env: &TestEnv) {
    let server = env.server().await;
    let mut ann = on_room(&server, "ann").await;
    let mut first = on_room(&server, "bo").await;
    ann.expect_on("pusher_internal:member_added", ROOM).await;
    let mut second = server.pusher().await;
    let answer = second
        .join(ROOM, json!({"user_id": "bo", "user_info": "newest"}))
        .await;
    assert_eq!(
        answer["presence"],
        json!({"count": 2, "ids": ["ann", "bo"], "hash": {"ann": {}, "bo": "newest"}})
    );
    ann.expect_nothing().await;
    first.expect_nothing().await;
    first.unsubscribe(ROOM).await;
    first.expect_nothing().await;
    ann.expect_nothing().await;
    second.0.abort().await;
    assert_eq!(
        ann.expect_on("pusher_internal:member_removed", ROOM).await,
        json!({"user_id": "bo"})
    );
}

pub(super) async fn the_signature_must_cover_the_channel_data(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    let data = r#"{"user_id":"1"}"#;
    let (plain, other) = (
        client.auth(ROOM),
        client.auth_over(ROOM, r#"{"user_id":"2"}"#),
    );
    for auth in [plain.as_str(), other.as_str(), ""] {
        client
            .send_subscribe_data(json!({"channel": ROOM, "auth": auth, "channel_data": data}))
            .await;
        client
            .expect_subscription_error(ROOM, "AuthError", 401)
            .await;
    }
    let odd = " { \"user_id\" : \"1\" , \"user_info\" : { \"n\" : 1.50 } } ";
    let auth = client.auth_over(ROOM, odd);
    client
        .send_subscribe_data(json!({"channel": ROOM, "auth": auth, "channel_data": odd}))
        .await;
    assert_eq!(
        client.expect_subscribed(ROOM).await["presence"]["hash"],
        json!({"1": {"n": 1.5}})
    );
}

pub(super) async fn user_ids_are_strings_or_numbers(env: &TestEnv) {
    let server = env.server().await;
    let mut ann = on_room(&server, "ann").await;
    let mut ten = server.pusher().await;
    let answer = ten
        .join(
            ROOM,
            json!({"user_id": 10, "user_info": {"name": "Mr. Channels"}}),
        )
        .await;
    assert_eq!(answer["presence"]["ids"], json!(["ann", "10"]));
    let added = ann.expect_on("pusher_internal:member_added", ROOM).await;
    assert_eq!(
        added,
        json!({"user_id": "10", "user_info": {"name": "Mr. Channels"}})
    );
    server
        .pusher()
        .await
        .join(ROOM, json!({"user_id": "10"}))
        .await;
    ann.expect_nothing().await;
}

pub(super) async fn channel_data_must_name_a_user(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client.send_subscribe(ROOM, json!({})).await;
    client
        .expect_subscription_error(ROOM, "InvalidChannelData", 400)
        .await;
    let long = "x".repeat(129);
    for data in [
        json!({}),
        json!({"user_id": ""}),
        json!({"user_id": null}),
        json!({"user_id": ["1"]}),
        json!({"user_id": long}),
    ] {
        // A user id is not required of a client that is signed in.
        client.next_may_be_invalid();
        client.send_join(ROOM, &data).await;
        client
            .expect_subscription_error(ROOM, "InvalidChannelData", 400)
            .await;
    }
    for text in ["", "nonsense", "[]", "7"] {
        let auth = client.auth_over(ROOM, text);
        client.next_is_invalid();
        client
            .send_subscribe_data(json!({"channel": ROOM, "auth": auth, "channel_data": text}))
            .await;
        client
            .expect_subscription_error(ROOM, "InvalidChannelData", 400)
            .await;
    }
    assert_eq!(server.subscriptions(ROOM).await, 0);
    client.join(ROOM, json!({"user_id": "x".repeat(128)})).await;
}

fn sized(bytes: usize) -> Value {
    let empty = json!({"user_id": "1", "user_info": ""}).to_string().len();
    json!({"user_id": "1", "user_info": "x".repeat(bytes - empty)})
}

pub(super) async fn channel_data_has_a_kilobyte(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client.send_join(ROOM, &sized(1025)).await;
    client
        .expect_subscription_error(ROOM, "InvalidChannelData", 413)
        .await;
    client.join(ROOM, sized(1024)).await;
    let mut ann = server.pusher().await;
    ann.sign_in(json!({"id": "ann", "user_info": "x".repeat(1024)}))
        .await;
    ann.send_subscribe(ROOM, json!({})).await;
    ann.expect_subscription_error(ROOM, "InvalidChannelData", 413)
        .await;
}

pub(super) async fn a_full_channel_takes_no_new_user(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.limits.max_members = Some(1))
        .await;
    let _ann = on_room(&server, "ann").await;
    let mut bo = server.pusher().await;
    bo.send_join(ROOM, &json!({"user_id": "bo"})).await;
    bo.expect_subscription_error(ROOM, "LimitReached", 403)
        .await;
    let _again = on_room(&server, "ann").await;
    server.trigger(&[ROOM], "e", "x").await;
    bo.expect_nothing().await;
}

pub(super) async fn signed_in_the_user_is_the_member(env: &TestEnv) {
    let server = env.server().await;
    let mut bo = on_room(&server, "bo").await;
    let mut ann = server.pusher().await;
    ann.sign_in(json!({"id": "ann", "user_info": {"name": "Ann"}}))
        .await;
    ann.send_subscribe_data(json!({"channel": ROOM, "auth": ""}))
        .await;
    ann.expect_subscription_error(ROOM, "AuthError", 401).await;
    let answer = ann.subscribe(ROOM).await;
    assert_eq!(
        answer["presence"],
        json!({"count": 2, "ids": ["bo", "ann"], "hash": {"bo": {}, "ann": {"name": "Ann"}}})
    );
    let added = bo.expect_on("pusher_internal:member_added", ROOM).await;
    assert_eq!(
        added,
        json!({"user_id": "ann", "user_info": {"name": "Ann"}})
    );
    let mut plain = server.signed_in("cy").await;
    assert_eq!(
        plain.subscribe(ROOM).await["presence"]["hash"]["cy"],
        json!({})
    );
}
