//! Outages of the store: operations that need it fail, all others continue.

use pushi_test_support::{Fault, FaultyStore, TestEnv, event_texts, publishing, serials};
use serde_json::json;

pub(crate) async fn a_cached_app_is_served(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    store.app_by_key.set(Fault::Unavailable);
    server.client().await.expect_nothing().await;
    let mut stranger = server
        .connect_with_key(&server.app, "unknown", None, false)
        .await;
    let frame = stranger.expect_rejection(4100).await;
    assert!(frame.message().contains("later"), "{frame:?}");
    store.app_by_key.set(Fault::None);
    server
        .connect_with_key(&server.app, "unknown", None, false)
        .await
        .expect_rejection(4001)
        .await;
}

pub(crate) async fn an_outage_of_the_store_is_4320_where_it_is_needed(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let [mut client, mut other] = server.clients().await;
    client.subscribe("c").await;
    store.events(Fault::Unavailable);
    store.subscriptions.set(Fault::Unavailable);
    client
        .publish("c", "message", json!("x"), json!({"ref": "7"}))
        .await;
    let frame = client.expect_error(4320).await;
    assert_eq!(
        (
            frame.channel(),
            &frame.value["data"]["event"],
            &frame.value["data"]["ref"]
        ),
        ("c", &json!("message"), &json!("7"))
    );
    client.publish("c", "message", json!("x"), json!({})).await;
    assert_eq!(
        client.expect_error(4320).await.value["data"].get("ref"),
        None,
        "also without a ref"
    );
    client
        .send(json!({"event": "pusher:latest", "data": {"channel": "c"}}))
        .await;
    assert_eq!(client.expect_error(4320).await.channel(), "c");
    client.send_subscribe("d", json!({"since": 0})).await;
    client.expect_error(4320).await;
    client.send_subscribe("personal-ann", json!({})).await;
    client.expect_error(4320).await;
    for channel in ["d", "personal-ann"] {
        server.publish_transient(channel, "hello").await;
        client
            .publish(channel, "message", json!("x"), json!({"persist": false}))
            .await;
        client.expect_error(4317).await;
    }
    assert!(
        server
            .try_publish(publishing(&["c"], "message", "x", true))
            .await
            .is_err()
    );
    // What needs no store.
    other.subscribe("c").await;
    other.join("presence-a", json!({"user_id": "ann"})).await;
    client
        .publish("c", "message", json!("live"), json!({"persist": false}))
        .await;
    assert_eq!(other.expect("message").await.data(), "live");
    server.publish_transient("c", "live, too").await;
    client.expect("call").await;
    other.expect("call").await;
    store.events(Fault::None);
    store.subscriptions.set(Fault::None);
    server.publish_until_stored("c").await;
    assert_eq!(client.expect("stored").await.serial(), 1);
    client.subscribe("personal-ann").await;
}

pub(crate) async fn an_append_in_doubt_is_delivered_in_order_if_stored(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let [mut client, mut other] = server.clients().await;
    client.subscribe("c").await;
    other.subscribe("c").await;
    client.publish_stored("c", "message", json!("1")).await;
    other.expect("message").await;
    store.append.set(Fault::FailAfterWrite);
    store.positions.set(Fault::Unavailable);
    client.publish("c", "message", json!("2"), json!({})).await;
    client.expect_error(4320).await;
    store.append.set(Fault::None);
    // While it is in doubt, nothing is stored after it; transient events continue.
    client
        .publish("c", "message", json!("refused"), json!({}))
        .await;
    client.expect_error(4320).await;
    assert!(
        server
            .try_publish(publishing(&["d"], "message", "refused", true))
            .await
            .is_err()
    );
    client
        .publish("c", "message", json!("live"), json!({"persist": false}))
        .await;
    assert_eq!(other.expect("message").await.data(), "live");
    other.expect_nothing().await;
    store.positions.set(Fault::None);
    let frame = other.expect("message").await;
    assert_eq!((frame.data(), frame.serial()), ("2", 2));
    assert_eq!(
        client.publish_stored("c", "message", json!("3")).await["serial"],
        3
    );
    assert_eq!(other.expect("message").await.serial(), 3);
    other.expect_nothing().await;
    client.expect_nothing().await;
    assert_eq!(
        event_texts(&other.query(json!({"channel": "c"})).await),
        ["3", "2", "1"]
    );
}

pub(crate) async fn each_of_many_in_doubt_is_settled(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    let mut other = server.subscribed("c").await;
    store.append.set(Fault::Hang);
    for n in 0..60 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    store.append.called(1).await;
    store.positions.set(Fault::Unavailable);
    // The first ones end unsure; what waits behind them is not tried.
    store.append.set(Fault::FailAfterWrite);
    for _ in 0..60 {
        client.expect_error(4320).await;
    }
    store.append.set(Fault::None);
    store.positions.set(Fault::None);
    server.publish_until_stored("c").await;
    let mut serial = 0;
    loop {
        let frame = other.next().await;
        serial += 1;
        assert_eq!(
            frame.serial(),
            serial,
            "all that is stored is delivered, in order"
        );
        if frame.event() == "stored" {
            break;
        }
        assert_eq!(frame.data(), (serial - 1).to_string());
    }
    assert!(serial > 1);
    assert_eq!(
        serials(&other.query(json!({"channel": "c", "count": 1})).await),
        [serial]
    );
}

pub(crate) async fn a_publish_that_was_not_stored_is_forgotten(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    let mut other = server.subscribed("c").await;
    store.append.set(Fault::Unavailable);
    client
        .publish("c", "message", json!("lost"), json!({}))
        .await;
    client.expect_error(4320).await;
    store.append.set(Fault::None);
    server.publish_until_stored("c").await;
    assert_eq!(other.expect("stored").await.serial(), 1);
    other.expect_nothing().await;
}

pub(crate) async fn no_more_than_64_are_unanswered(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    client.subscribe("live").await;
    let mut other = server.subscribed("c").await;
    store.append.set(Fault::Hang);
    for n in 0..63 {
        client
            .publish("c", "message", json!(n), json!({"ref": n.to_string()}))
            .await;
    }
    client.expect_nothing().await;
    client
        .publish("c", "message", json!(63), json!({"ref": "63"}))
        .await;
    client.send(json!({"event": "pusher:ping"})).await;
    // It is not read any more, but written to.
    server.publish_transient("live", "hello").await;
    client.expect("call").await;
    other.expect_nothing().await;
    store.append.set(Fault::None);
    assert_eq!(
        client.expect("pusher_internal:published").await.inner()["ref"],
        "0"
    );
    let mut acknowledged = 1;
    loop {
        let frame = client.next().await;
        match frame.event() {
            "pusher:pong" => break,
            _ => acknowledged += 1,
        }
    }
    while acknowledged < 64 {
        client.expect("pusher_internal:published").await;
        acknowledged += 1;
    }
    for serial in 1..=64 {
        assert_eq!(other.expect("message").await.serial(), serial);
    }
}

pub(crate) async fn publishes_before_a_close_are_stored(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    let mut other = server.subscribed("c").await;
    store.append.set(Fault::Hang);
    for n in 0..5 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    client.expect_nothing().await;
    client.abort().await;
    store.append.set(Fault::None);
    for serial in 1..=5 {
        assert_eq!(other.expect("message").await.serial(), serial);
    }
}

pub(crate) async fn the_same_key_in_one_commit_is_stored_once(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    store.append.set(Fault::Hang);
    let keyed = |key: &str| pushi::core::service::Publishing {
        idempotency_key: Some(key.to_owned()),
        ..publishing(&["c"], "message", key, true)
    };
    let plain = |text: &str| publishing(&["c"], "message", text, true);
    let opening = async {
        // All have asked whether they are stored, and wait behind the first append.
        store.positions.called(4).await;
        store.append.called(1).await;
        client.expect_nothing().await;
        store.append.set(Fault::None);
    };
    let (first, one, two, three, four, five, ()) = tokio::join!(
        server.try_publish(plain("first")),
        server.try_publish(keyed("same")),
        server.try_publish(keyed("same")),
        server.try_publish(plain("between")),
        server.try_publish(keyed("same")),
        server.try_publish(keyed("other")),
        opening,
    );
    for result in [first, one, two, three, four, five] {
        result.unwrap();
    }
    let mut heard = Vec::new();
    for serial in 1..=4 {
        let frame = client.expect("message").await;
        assert_eq!(frame.serial(), serial);
        heard.push(frame.data().to_owned());
    }
    client.expect_nothing().await;
    heard.sort_unstable();
    assert_eq!(heard, ["between", "first", "other", "same"]);
}
