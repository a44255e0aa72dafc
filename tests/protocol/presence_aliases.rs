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

/// The notifications that the member `ann` has other data now.
async fn renamed(watcher: &mut Client, before: &str, after: &str) {
    for (event, name) in [
        ("pusher:member_removed", before),
        ("pusher:member_added", after),
    ] {
        assert_eq!(watcher.expect(event).await.member()["name"], name);
    }
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
    let data = json!({"user_id": "ann", "name": "alias"});
    client
        .subscribe_with(ANN, json!({"channel_data": data, "follow": true}))
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
    renamed(&mut watcher, "direct", "alias").await;
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
    renamed(&mut watcher, "alias", "direct").await;
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

pub(crate) async fn the_user_is_the_one_in_the_personal_channels_name(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    let admin = r#"{"user_id":"admin","name":"Ann"}"#;
    let signed = client.auth_over(ANN, admin);
    for auth in [client.auth(ANN), signed] {
        client
            .send_subscribe_data(json!({"channel": ANN, "auth": auth, "channel_data": admin}))
            .await;
        client
            .expect("pusher_internal:subscription_succeeded")
            .await;
        assert_eq!(
            watcher.expect("pusher:member_added").await.member(),
            json!({"user_id": "ann", "name": "Ann"})
        );
        assert_eq!(
            users(&watcher.query(json!({"channel": ROOM})).await),
            ["watcher", "ann"]
        );
        client.unsubscribe(ANN).await;
        watcher.expect("pusher:member_removed").await;
    }
    server.add_subscription("7", ROOM).await;
    client.join("personal-7", json!({"user_id": 7})).await;
    assert_eq!(
        watcher.expect("pusher:member_added").await.member(),
        json!({"user_id": "7"})
    );
}

pub(crate) async fn unsigned_data_ceases_to_count_with_signed_presence(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = two(&server).await;
    let mut signed = server.client().await;
    server.add_subscription("bo", ROOM).await;
    client.join(ANN, json!({"user_id": "ann"})).await;
    let data = r#"{"user_id":"bo"}"#;
    let auth = signed.auth_over("personal-bo", data);
    signed
        .send_subscribe_data(json!({"channel": "personal-bo", "auth": auth, "channel_data": data}))
        .await;
    signed
        .expect("pusher_internal:subscription_succeeded")
        .await;
    for _ in ["ann", "bo"] {
        watcher.expect("pusher:member_added").await;
    }
    watcher
        .join("presence-late", json!({"user_id": "watcher"}))
        .await;
    server.set(|settings| settings.signed_presence = true).await;
    for user in ["ann", "bo"] {
        server.add_subscription(user, "presence-late").await;
    }
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(
        (frame.channel(), &frame.member()["user_id"]),
        ("presence-late", &json!("bo"))
    );
    server.publish_transient("presence-late", "hello").await;
    watcher.expect("call").await;
    watcher.expect_nothing().await;
}
