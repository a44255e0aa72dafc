//! Cache channels.

use std::time::Duration;

use pushi_test_support::TestEnv;
use serde_json::json;

pub(super) async fn the_last_event_follows_the_subscription(env: &TestEnv) {
    let server = env.server().await;
    server.trigger(&["cache-x"], "state", "1").await;
    server.trigger(&["cache-x", "cache-y"], "state", "2").await;
    let mut client = server.pusher_on("cache-x").await;
    assert_eq!(
        client.next().await.text,
        r#"{"event":"state","channel":"cache-x","data":"2"}"#
    );
    client.expect_nothing().await;
    // Whatever way it was published, stored or not.
    server.publish(&["cache-x"], "other", "3", false).await;
    server.publish(&["cache-y"], "stored", "4", true).await;
    let mut late = server.pusher_on("cache-x").await;
    assert_eq!(late.expect_data("cache-x", "other").await, "3");
    late.subscribe("cache-y").await;
    let frame = late.expect("stored").await;
    assert_eq!((frame.data(), frame.serial()), ("4", 1));
}

pub(super) async fn every_kind_of_cache_channel_has_it(env: &TestEnv) {
    let server = env.server().await;
    let channels = [
        "cache-x",
        "private-cache-x",
        "private-encrypted-cache-x",
        "presence-cache-x",
    ];
    server.trigger(&channels, "state", "1").await;
    let mut client = server.signed_in("ann").await;
    for channel in channels {
        client.subscribe(channel).await;
        assert_eq!(client.expect_data(channel, "state").await, "1");
    }
    for channel in ["news", "private-x", "x-cache-x"] {
        client.subscribe(channel).await;
    }
    client.expect_nothing().await;
}

pub(super) async fn where_there_is_none_it_is_a_miss(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("cache-x").await;
    assert_eq!(
        client.next().await.text,
        r#"{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}"#
    );
    client.expect_nothing().await;
}

pub(super) async fn after_half_an_hour_it_is_a_miss(env: &TestEnv) {
    let server = env.server().await;
    server.trigger(&["cache-x"], "state", "1").await;
    server.clock.advance(Duration::from_secs(30 * 60 - 1));
    server
        .pusher_on("cache-x")
        .await
        .expect_data("cache-x", "state")
        .await;
    server.clock.advance(Duration::from_secs(1));
    server
        .pusher_on("cache-x")
        .await
        .expect_on("pusher:cache_miss", "cache-x")
        .await;
}

pub(super) async fn whispers_are_not_the_channels_state(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.client_events = true)
        .await;
    server.trigger(&["private-cache-x"], "state", "1").await;
    let [mut ann, mut bo] = [
        server.pusher_on("private-cache-x").await,
        server.pusher_on("private-cache-x").await,
    ];
    bo.expect_data("private-cache-x", "state").await;
    ann.expect_data("private-cache-x", "state").await;
    ann.send_client_event("private-cache-x", "client-typing", json!("x"))
        .await;
    bo.expect_data("private-cache-x", "client-typing").await;
    let mut late = server.pusher_on("private-cache-x").await;
    assert_eq!(late.expect_data("private-cache-x", "state").await, "1");
    late.expect_nothing().await;
}

pub(super) async fn the_cached_event_arrives_once(env: &TestEnv) {
    let server = env.server().await;
    for round in 0..30 {
        let channel = format!("cache-{round}");
        server.trigger(&[&channel], "e", "0").await;
        let publishing = async {
            for number in 1..10 {
                server.trigger(&[&channel], "e", &number.to_string()).await;
            }
        };
        let (mut client, ()) = tokio::join!(server.pusher_on(&channel), publishing);
        let first: u32 = client.expect_data(&channel, "e").await.parse().unwrap();
        for number in first + 1..10 {
            assert_eq!(
                client.expect_data(&channel, "e").await,
                number.to_string(),
                "after {first}"
            );
        }
        client.expect_nothing().await;
    }
}
