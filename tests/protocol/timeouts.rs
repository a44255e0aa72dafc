//! Timeouts of calls to a store that hangs, on a paused clock.

use std::time::Duration;

use pushi_test_support::{Fault, FaultyStore, STORE_TIMEOUT, TestEnv, publishing};
use serde_json::json;
use tokio::time::Instant;

pub(crate) async fn a_request_fails_at_the_timeout(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    store.events(Fault::Hang);
    store.subscriptions.set(Fault::Hang);
    for frame in [
        json!({"event": "message", "channel": "c", "data": "x"}),
        json!({"event": "pusher:latest", "data": {"channel": "c"}}),
        json!({"event": "pusher:subscribe", "data": {"channel": "d", "since": 0}}),
        json!({"event": "pusher:subscribe", "data": {"channel": "personal-ann", "auth": client.auth("personal-ann")}}),
    ] {
        let since = Instant::now();
        client.send(frame.clone()).await;
        client.expect_error(4320).await;
        assert!(
            since.elapsed() < STORE_TIMEOUT + Duration::from_secs(1),
            "{frame} took {:?}",
            since.elapsed()
        );
    }
    client.expect_nothing().await;
}

pub(crate) async fn transient_publishes_wait_at_most_the_store_timeout(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    client.subscribe("d").await;
    let mut other = server.subscribed("c").await;
    other.subscribe("d").await;
    store.events(Fault::Hang);
    let since = Instant::now();
    client
        .publish("c", "message", json!("kept"), json!({}))
        .await;
    client
        .publish("c", "message", json!("behind"), json!({"persist": false}))
        .await;
    client
        .publish(
            "d",
            "message",
            json!("another channel"),
            json!({"persist": false}),
        )
        .await;
    assert_eq!(other.expect("message").await.data(), "another channel");
    server.publish_transient("c", "another sender").await;
    assert_eq!(other.expect("call").await.data(), "another sender");
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(other.expect("message").await.data(), "behind");
    assert!(
        since.elapsed() >= STORE_TIMEOUT
            && since.elapsed() < STORE_TIMEOUT + Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    client.expect("call").await;
    client.expect_error(4320).await;
}

pub(crate) async fn while_appends_are_in_doubt_no_publish_waits(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    store.append.set(Fault::FailAfterWrite);
    store.positions.set(Fault::Hang);
    client.publish("c", "message", json!("1"), json!({})).await;
    client.expect_error(4320).await;
    for _ in 0..5 {
        let since = Instant::now();
        client.publish("c", "message", json!("2"), json!({})).await;
        client
            .publish(
                "c",
                "message",
                json!("3"),
                json!({"persist": false, "echo": true}),
            )
            .await;
        let mut events = [
            client.next().await.event().to_owned(),
            client.next().await.event().to_owned(),
        ];
        events.sort_unstable();
        assert_eq!(events, ["message", "pusher:error"]);
        assert!(
            server
                .try_publish(publishing(&["c"], "message", "4", true))
                .await
                .is_err()
        );
        assert!(
            since.elapsed() < Duration::from_secs(1),
            "{:?}",
            since.elapsed()
        );
        // Further into the wait for the store.
        tokio::time::sleep_until(since + Duration::from_secs(3)).await;
    }
    store.append.set(Fault::None);
    store.positions.set(Fault::None);
    server.publish_until_stored("c").await;
    let frame = client.expect("stored").await;
    assert_eq!(frame.serial(), 2, "the first one proved stored");
}
