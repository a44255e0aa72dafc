//! Presence channels: joins, leaves, and users with several connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pushi_test_support::{Client, TestEnv, TestServer, publishing, users};
use serde_json::json;

const ROOM: &str = "presence-room";

async fn on_room(server: &TestServer<'_>, user: &str) -> Client {
    let mut client = server.client().await;
    client.join(ROOM, json!({"user_id": user})).await;
    client
}

/// The next frame announces that a user joined.
async fn came(client: &mut Client, user: &str) {
    let frame = client.expect("pusher:member_added").await;
    assert_eq!(
        (frame.channel(), &frame.member()["user_id"]),
        (ROOM, &json!(user))
    );
}

/// The next frame announces that a user left.
async fn went(client: &mut Client, user: &str) {
    let frame = client.expect("pusher:member_removed").await;
    assert_eq!(
        (frame.channel(), &frame.member()["user_id"]),
        (ROOM, &json!(user))
    );
}

pub(crate) async fn the_answer_lists_everybody(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = server.clients().await;
    ann.join(ROOM, json!({"user_id": "ann", "peer": true, "name": "Ann"}))
        .await;
    let auth = bo.auth(ROOM);
    bo.send_subscribe_data(
        json!({"channel": ROOM, "auth": auth, "channel_data": {"user_id": "bo"}}),
    )
    .await;
    let frame = bo.expect("pusher_internal:subscription_succeeded").await;
    let members = r#"{"ann":{"user_id":"ann","peer":true,"name":"Ann"},"bo":{"user_id":"bo"}}"#;
    assert_eq!(
        frame.data(),
        format!(r#"{{"name":"presence-room","members":{members},"alias":[],"events":[]}}"#)
    );
}

pub(crate) async fn joins_and_leaves_are_announced(env: &TestEnv) {
    let server = env.server().await;
    let mut ann = on_room(&server, "ann").await;
    let [mut bo, mut stranger] = server.clients().await;
    stranger.subscribe("private-room").await;
    bo.join(ROOM, json!({"user_id": "bo", "name": "Bo"})).await;
    let added = ann.expect("pusher:member_added").await;
    let member = r#"{\"user_id\":\"bo\",\"name\":\"Bo\"}"#;
    assert_eq!(
        added.text,
        format!(
            r#"{{"event":"pusher:member_added","channel":"presence-room","member":"{member}"}}"#
        )
    );
    bo.unsubscribe(ROOM).await;
    let removed = ann.expect("pusher:member_removed").await;
    assert_eq!(
        removed.text,
        format!(
            r#"{{"event":"pusher:member_removed","channel":"presence-room","member":"{member}"}}"#
        )
    );
    bo.expect_nothing().await;
    ann.expect_nothing().await;
    stranger.expect_nothing().await;
}

pub(crate) async fn three_tabs_are_one_member(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let first = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    let second = on_room(&server, "ann").await;
    let mut third = server.client().await;
    assert_eq!(
        users(&third.join(ROOM, json!({"user_id": "ann"})).await),
        ["watcher", "ann"]
    );
    first.close().await;
    second.abort().await;
    watcher.expect_nothing().await;
    third.unsubscribe(ROOM).await;
    went(&mut watcher, "ann").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn tabs_of_one_user_are_not_announced(env: &TestEnv) {
    let server = env.server().await;
    let mut first = on_room(&server, "ann").await;
    let second = on_room(&server, "ann").await;
    first.expect_nothing().await;
    second.close().await;
    first.expect_nothing().await;
}

pub(crate) async fn resubscribe_announces_nothing(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let mut ann = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    ann.join(ROOM, json!({"user_id": "ann"})).await;
    watcher.expect_nothing().await;
    ann.expect_nothing().await;
}

pub(crate) async fn other_data_of_the_only_connection_is_a_leave_and_a_join(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let mut pusher = server.pusher().await;
    pusher.join(ROOM, json!({"user_id": "pusher"})).await;
    came(&mut watcher, "pusher").await;
    let mut ann = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    pusher.expect_on("pusher_internal:member_added", ROOM).await;
    let (before, after) = (
        json!({"user_id": "ann"}),
        json!({"user_id": "ann", "name": "Ann"}),
    );
    let state = ann.join(ROOM, after.clone()).await;
    assert_eq!(state["members"]["ann"], after);
    ann.expect_nothing().await;
    let frame = watcher.expect("pusher:member_removed").await;
    assert_eq!(frame.member(), before);
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(frame.member(), after);
    assert_eq!(
        pusher
            .expect_on("pusher_internal:member_removed", ROOM)
            .await,
        json!({"user_id": "ann"})
    );
    assert_eq!(
        pusher.expect_on("pusher_internal:member_added", ROOM).await,
        json!({"user_id": "ann", "user_info": {"name": "Ann"}})
    );
    // With a second connection the member's newest data is replaced without a notification.
    let mut second = on_room(&server, "ann").await;
    ann.join(ROOM, json!({"user_id": "ann", "name": "Anna"}))
        .await;
    watcher.expect_nothing().await;
    pusher.expect_nothing().await;
    second.expect_nothing().await;
    let state = watcher.query(json!({"channel": ROOM})).await;
    assert_eq!(users(&state), ["watcher", "pusher", "ann"]);
    assert_eq!(state["members"]["ann"]["name"], "Anna");
    second.unsubscribe(ROOM).await;
    ann.abort().await;
    let frame = watcher.expect("pusher:member_removed").await;
    assert_eq!(frame.member()["name"], "Anna");
    watcher.expect_nothing().await;
}

pub(crate) async fn changing_user_announces_leave_and_join(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let mut client = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    let state = client.join(ROOM, json!({"user_id": "bo"})).await;
    assert_eq!(users(&state), ["watcher", "bo"]);
    went(&mut watcher, "ann").await;
    came(&mut watcher, "bo").await;
    client.expect_nothing().await;
    client.abort().await;
    went(&mut watcher, "bo").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn changing_user_in_one_of_two_tabs_announces_join_only(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let mut first = on_room(&server, "ann").await;
    let _second = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    assert_eq!(
        users(&first.join(ROOM, json!({"user_id": "bo"})).await),
        ["watcher", "ann", "bo"]
    );
    came(&mut watcher, "bo").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn members_are_listed_in_the_order_in_which_they_came(env: &TestEnv) {
    let server = env.server().await;
    let names = ["z", "m", "a", "10", "9"];
    let mut clients = Vec::new();
    for name in names {
        clients.push(on_room(&server, name).await);
    }
    let mut last = server.client().await;
    assert_eq!(
        users(&last.join(ROOM, json!({"user_id": "y"})).await),
        ["z", "m", "a", "10", "9", "y"]
    );
    clients.remove(1).abort().await;
    went(&mut last, "m").await;
    let state = last.query(json!({"channel": ROOM})).await;
    assert_eq!(users(&state), ["z", "a", "10", "9", "y"]);
    clients.push(on_room(&server, "m").await);
    came(&mut last, "m").await;
    assert_eq!(
        users(&last.query(json!({"channel": ROOM})).await),
        ["z", "a", "10", "9", "y", "m"],
        "who comes back comes last"
    );
}

pub(crate) async fn a_broken_connection_leaves(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let ann = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    ann.abort().await;
    went(&mut watcher, "ann").await;
    let bo = on_room(&server, "bo").await;
    came(&mut watcher, "bo").await;
    bo.close().await;
    went(&mut watcher, "bo").await;
}

pub(crate) async fn a_connection_leaves_all_its_channels(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut ann] = server.clients().await;
    for channel in ["presence-a", "presence-b", "presence-c"] {
        watcher.join(channel, json!({"user_id": "watcher"})).await;
        ann.join(channel, json!({"user_id": "ann"})).await;
        watcher.expect("pusher:member_added").await;
    }
    ann.abort().await;
    let mut left = Vec::new();
    for _ in 0..3 {
        left.push(
            watcher
                .expect("pusher:member_removed")
                .await
                .channel()
                .to_owned(),
        );
    }
    left.sort_unstable();
    assert_eq!(left, ["presence-a", "presence-b", "presence-c"]);
    watcher.expect_nothing().await;
}

pub(crate) async fn two_apps_have_lists_of_their_own(env: &TestEnv) {
    let server = env.server().await;
    let other = pushi::core::model::NewApp {
        name: "Other".to_owned(),
        ..Default::default()
    };
    let other = server.service.create_app(other).await.unwrap();
    let mut ann = on_room(&server, "ann").await;
    let mut stranger = server.client_of(&other).await;
    assert_eq!(
        users(&stranger.join(ROOM, json!({"user_id": "bo"})).await),
        ["bo"]
    );
    ann.expect_nothing().await;
    server.publish_transient(ROOM, "hello").await;
    ann.expect("call").await;
    stranger.expect_nothing().await;
}

pub(crate) async fn a_full_channel_takes_no_new_user(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.members = 2)
        .await;
    let mut ann = on_room(&server, "ann").await;
    let mut bo = on_room(&server, "bo").await;
    came(&mut ann, "bo").await;
    let [mut cy, mut tab] = server.clients().await;
    cy.send_subscribe(ROOM, json!({"channel_data": {"user_id": "cy"}}))
        .await;
    let frame = cy.expect_error(4319).await;
    assert!(frame.message().contains("max_members"), "{frame:?}");
    server.publish_transient(ROOM, "hello").await;
    cy.expect_nothing().await;
    cy.send(json!({"event": "pusher:latest", "data": {"channel": ROOM}}))
        .await;
    cy.expect_error(4317).await;
    // Another connection of a present user does not count against the limit.
    assert_eq!(
        users(&tab.join(ROOM, json!({"user_id": "ann"})).await),
        ["ann", "bo"]
    );
    ann.expect("call").await;
    bo.expect("call").await;
    bo.unsubscribe(ROOM).await;
    went(&mut ann, "bo").await;
    assert_eq!(
        users(&cy.join(ROOM, json!({"user_id": "cy"})).await),
        ["ann", "cy"]
    );
    server
        .set(|settings| settings.limits.max_members = Some(3))
        .await;
    assert_eq!(
        users(&bo.join(ROOM, json!({"user_id": "bo"})).await),
        ["ann", "cy", "bo"]
    );
}

pub(crate) async fn rejoin_as_other_user_on_full_channel_unsubscribes(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = on_room(&server, "watcher").await;
    let mut client = on_room(&server, "ann").await;
    came(&mut watcher, "ann").await;
    let _bo = on_room(&server, "bo").await;
    came(&mut watcher, "bo").await;
    client.expect("pusher:member_added").await;
    server
        .set(|settings| settings.limits.max_members = Some(2))
        .await;
    client
        .send_subscribe(
            ROOM,
            json!({"channel_data": {"user_id": "cy", "peer": true}}),
        )
        .await;
    went(&mut watcher, "ann").await;
    client.expect_error(4319).await;
    server.publish_transient(ROOM, "hello").await;
    client.expect_nothing().await;
    client.publish(ROOM, "message", json!("x"), json!({})).await;
    client.expect_error(4317).await;
    client.close().await;
    watcher.expect("call").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn nothing_of_a_channel_follows_a_refusal(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.members = 1)
        .await;
    let mut client = server.client().await;
    let mut ann = server.client().await;
    ann.join(ROOM, json!({"user_id": "ann"})).await;
    let (service, app) = (Arc::clone(&server.service), Arc::clone(&server.app));
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let calling = tokio::spawn(async move {
        while !over.load(Ordering::Relaxed) {
            service
                .publish(&app, publishing(&[ROOM], "call", "", false))
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..200 {
        client
            .send_subscribe(ROOM, json!({"channel_data": {"user_id": "bo"}}))
            .await;
        client.expect_error(4319).await;
        client.expect_nothing().await;
    }
    done.store(true, Ordering::Relaxed);
    calling.await.unwrap();
}

pub(crate) async fn a_large_channel_announces_each_member_once(env: &TestEnv) {
    let server = env.server().await;
    let mut clients = Vec::new();
    for number in 0..70 {
        clients.push(on_room(&server, &format!("u{number}")).await);
    }
    // Each receives the later joins in order and no others; how they are batched does not matter.
    for (number, client) in clients.iter_mut().enumerate() {
        for later in number + 1..70 {
            came(client, &format!("u{later}")).await;
        }
    }
    let mut late = server.client().await;
    let answer = late.join(ROOM, json!({"user_id": "late"})).await;
    assert_eq!(users(&answer).len(), 71);
    late.publish(ROOM, "message", json!("at once"), json!({"persist": false}))
        .await;
    for client in &mut clients {
        came(client, "late").await;
        assert_eq!(client.expect("message").await.data(), "at once");
    }
    late.unsubscribe(ROOM).await;
    late.join(ROOM, json!({"user_id": "again"})).await;
    for client in &mut clients {
        went(client, "late").await;
        came(client, "again").await;
    }
    late.expect_nothing().await;
}
