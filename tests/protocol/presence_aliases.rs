//! A socket on a presence channel both directly and through a personal channel: which user it is.

use pushi_test_support::{Client, TestEnv, TestServer, users};
use serde_json::json;

const ANN: &str = "personal-ann";
const ROOM: &str = "presence-room";

/// A subscriber of the room, and a user with a persistent subscription to it.
async fn two(server: &TestServer<'_>) -> [Client; 2] {
    server.add_subscription("ann", ROOM).await;
    let [mut watcher, client] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    [watcher, client]
}

async fn name(watcher: &mut Client) -> serde_json::Value {
    watcher.query(json!({"channel": ROOM})).await["members"]["ann"]["name"].clone()
}

pub(crate) async fn the_direct_subscription_decides_the_user(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    client
        .join(ROOM, json!({"user_id": "ann", "name": "direct"}))
        .await;
    watcher.expect("pusher:member_added").await;
    client
        .join(ANN, json!({"user_id": "ann", "name": "alias"}))
        .await;
    assert_eq!(
        name(&mut watcher).await,
        "direct",
        "a personal subscription does not change it"
    );
    server.add_subscription("ann", "another").await;
    client
        .expect_state("pusher_internal:subscription_succeeded", ANN)
        .await;
    assert_eq!(
        name(&mut watcher).await,
        "direct",
        "nor does a change of what the user follows"
    );
    watcher.expect_nothing().await;
    client.unsubscribe(ROOM).await;
    assert_eq!(name(&mut watcher).await, "alias");
    watcher.expect_nothing().await;
    client.unsubscribe(ANN).await;
    watcher.expect("pusher:member_removed").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn after_the_alias_the_direct_one_stays(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    client
        .join(ANN, json!({"user_id": "ann", "name": "alias"}))
        .await;
    watcher.expect("pusher:member_added").await;
    client
        .join(ROOM, json!({"user_id": "ann", "name": "direct"}))
        .await;
    assert_eq!(name(&mut watcher).await, "direct");
    client.unsubscribe(ANN).await;
    assert_eq!(name(&mut watcher).await, "direct");
    watcher.expect_nothing().await;
    client.unsubscribe(ROOM).await;
    watcher.expect("pusher:member_removed").await;
}

pub(crate) async fn ending_the_direct_one_leaves_where_the_alias_has_no_data(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    client.subscribe(ANN).await;
    client
        .join(ROOM, json!({"user_id": "ann", "name": "direct"}))
        .await;
    watcher.expect("pusher:member_added").await;
    client.unsubscribe(ROOM).await;
    watcher.expect("pusher:member_removed").await;
    server.publish_transient(ROOM, "hello").await;
    client.expect("call").await;
    assert_eq!(
        users(&client.query(json!({"channel": ROOM})).await),
        ["watcher"]
    );
    client.unsubscribe(ANN).await;
    watcher.expect("call").await;
    watcher.expect_nothing().await;
}

pub(crate) async fn the_remaining_of_two_aliases_decides(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    server.add_subscription("bo", ROOM).await;
    client.join(ANN, json!({"user_id": "ann"})).await;
    watcher.expect("pusher:member_added").await;
    client.join("personal-bo", json!({"user_id": "bo"})).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["user_id"],
        "ann"
    );
    assert_eq!(
        watcher.expect("pusher:member_added").await.member()["user_id"],
        "bo"
    );
    client.unsubscribe("personal-bo").await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["user_id"],
        "bo"
    );
    assert_eq!(
        watcher.expect("pusher:member_added").await.member()["user_id"],
        "ann"
    );
    client.unsubscribe(ANN).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["user_id"],
        "ann"
    );
    watcher.expect_nothing().await;
}

pub(crate) async fn an_alias_subscribes_to_a_full_channel(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.members = 1)
        .await;
    let [mut watcher, mut client] = two(&server).await;
    server.add_subscription("ann", "news").await;
    client
        .join(ANN, json!({"user_id": "ann", "peer": true}))
        .await;
    watcher.expect_nothing().await;
    for channel in ["news", ROOM] {
        server.publish_transient(channel, "hello").await;
        assert_eq!(client.expect("call").await.channel(), channel);
    }
    watcher.expect("call").await;
    client.abort().await;
    watcher.expect_nothing().await;
}

pub(crate) async fn alias_subscriptions_count_against_no_limit(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.channels_per_connection = 2)
        .await;
    for channel in ["a", "b", "c", "d"] {
        server.add_subscription("ann", channel).await;
    }
    let mut client = server.client().await;
    client.subscribe(ANN).await;
    client.subscribe("e").await;
    client.send_subscribe("f", json!({})).await;
    let frame = client.expect_error(4319).await;
    assert!(
        frame.message().contains("max_channels_per_connection"),
        "{frame:?}"
    );
    server.publish_transient("f", "hello").await;
    client.expect_nothing().await;
    // What one is on already is no further one.
    client.subscribe("e").await;
    client.send_subscribe("a", json!({})).await;
    client.expect_error(4319).await;
    server.publish_transient("a", "hello").await;
    client.expect("call").await;
    client.unsubscribe("e").await;
    client.subscribe("f").await;
    server
        .set(|settings| settings.limits.max_channels_per_connection = Some(3))
        .await;
    client.subscribe("g").await;
    server
        .set(|settings| settings.limits.max_channels_per_connection = Some(0))
        .await;
    client.subscribe("h").await;
}
