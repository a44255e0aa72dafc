//! Deliveries to a socket while its subscription waits for the store.

use pushi_test_support::{Client, Fault, FaultyStore, TestEnv};
use serde_json::json;

pub(crate) async fn a_subscription_that_waits_holds_back_its_channel_alone(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("other").await;
    server.publish_texts("c", &["1"]).await;
    store.read.set(Fault::Hang);
    let calls = store.read.calls();
    client.send_subscribe("c", json!({"since": 0})).await;
    store.read.called(calls + 1).await;
    server.publish_texts("c", &["2"]).await;
    server.publish_transient("c", "live").await;
    server.publish_transient("other", "goes on").await;
    assert_eq!(client.expect("call").await.data(), "goes on");
    store.read.set(Fault::None);
    let state = client
        .expect_state("pusher_internal:subscription_succeeded", "c")
        .await;
    assert_eq!(
        (pushi_test_support::event_texts(&state), &state["serial"]),
        (vec!["1", "2"], &json!(2))
    );
    assert_eq!(
        client.expect("call").await.data(),
        "live",
        "what the answer covers is not sent again"
    );
    client.expect_nothing().await;
}

pub(crate) async fn a_presence_subscription_that_waits_holds_back_its_peers(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let [mut ann, mut bo] = server.clients().await;
    ann.join("presence-a", json!({"user_id": "ann", "peer": true}))
        .await;
    store.read.set(Fault::Hang);
    bo.send_subscribe(
        "presence-a",
        json!({"channel_data": {"user_id": "bo", "peer": true}, "since": 0}),
    )
    .await;
    ann.expect("pusher:member_added").await;
    ann.publish(
        "peer-a:ann&bo",
        "note",
        json!("hello"),
        json!({"persist": false, "echo": true}),
    )
    .await;
    ann.expect("note").await;
    store.read.set(Fault::None);
    bo.expect_state("pusher_internal:subscription_succeeded", "presence-a")
        .await;
    bo.expect("note").await;
}

pub(crate) async fn a_personal_subscription_that_waits_holds_back_what_is_new(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    server.add_subscription("ann", "alias").await;
    let mut client = server.client().await;
    client.subscribe("direct").await;
    client
        .join("presence-a", json!({"user_id": "ann", "peer": true}))
        .await;
    let mut bo = server.client().await;
    bo.join("presence-a", json!({"user_id": "bo", "peer": true}))
        .await;
    client.expect("pusher:member_added").await;
    store.read.set(Fault::Hang);
    let calls = store.read.calls();
    client.send_subscribe("personal-ann", json!({})).await;
    store.read.called(calls + 1).await;
    server.publish_transient("alias", "held back").await;
    server.publish_transient("direct", "goes on").await;
    bo.publish(
        "peer-a:ann&bo",
        "call",
        json!("goes on, too"),
        json!({"persist": false}),
    )
    .await;
    assert_eq!(client.expect("call").await.data(), "goes on");
    assert_eq!(client.expect("call").await.data(), "goes on, too");
    store.read.set(Fault::None);
    client
        .expect_state("pusher_internal:subscription_succeeded", "personal-ann")
        .await;
    assert_eq!(client.expect("call").await.data(), "held back");
}

pub(crate) async fn a_subscription_that_fails_leaves_nothing_behind(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    for channel in ["a", "presence-a"] {
        server.add_subscription("ann", channel).await;
    }
    let [mut client, mut watcher] = server.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    store.read.set(Fault::Hang);
    for (channel, names) in [
        ("personal-ann", vec!["a", "presence-a", "personal-ann"]),
        ("presence-a", vec!["presence-a"]),
    ] {
        let calls = store.read.calls();
        client
            .send_subscribe(
                channel,
                json!({"channel_data": {"user_id": "ann"}, "since": 0}),
            )
            .await;
        store.read.called(calls + 1).await;
        watcher.expect("pusher:member_added").await;
        for name in &names {
            server.publish_transient(name, "held back").await;
        }
        watcher.expect("call").await;
        store.read.set(Fault::Unavailable);
        client.expect_error(4320).await;
        watcher.expect("pusher:member_removed").await;
        for name in &names {
            server.publish_transient(name, "not on it").await;
        }
        watcher.expect("call").await;
        client.expect_nothing().await;
        store.read.set(Fault::Hang);
    }
}

pub(crate) async fn a_connection_lost_during_subscribing_leaves_nothing(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let [mut client, mut watcher] = server.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    store.read.set(Fault::Hang);
    client
        .send_subscribe(
            "presence-a",
            json!({"channel_data": {"user_id": "ann"}, "since": 0}),
        )
        .await;
    watcher.expect("pusher:member_added").await;
    let gone = client.abort();
    store.read.set(Fault::None);
    gone.await;
    watcher.expect("pusher:member_removed").await;
    watcher.expect_nothing().await;
    assert_eq!(server.service.hub().connections(), 1);
}

pub(crate) async fn user_subscriptions_are_reloaded_until_known(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.client().await;
    client
        .subscribe_with("personal-ann", json!({"follow": true}))
        .await;
    store.subscriptions.set(Fault::Unavailable);
    server.add_subscription("ann", "a").await;
    let frame = client.expect_error(4320).await;
    assert_eq!(frame.channel(), "personal-ann");
    let calls = store.subscriptions.calls();
    store.subscriptions.called(calls + 1).await;
    client.expect_nothing().await;
    store.subscriptions.set(Fault::None);
    let state = client
        .expect_state("pusher_internal:subscription_succeeded", "personal-ann")
        .await;
    assert_eq!(state["alias"], json!(["a"]));
    server.publish_transient("a", "hello").await;
    client.expect("call").await;
    let calls = store.subscriptions.calls();
    client.expect_nothing().await;
    assert_eq!(
        store.subscriptions.calls(),
        calls,
        "once known it is not read again"
    );
}

pub(crate) async fn two_subscriptions_are_answered_in_their_order(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client: Client = server.client().await;
    store.read.set(Fault::Hang);
    client.send_subscribe("a", json!({"since": 0})).await;
    client.send_subscribe("b", json!({})).await;
    client.send(json!({"event": "pusher:ping"})).await;
    store.read.called(1).await;
    store.read.set(Fault::None);
    for channel in ["a", "b"] {
        client
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
    }
    client.expect("pusher:pong").await;
}
