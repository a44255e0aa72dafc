//! How long anything waits for a store that hangs, on a clock that jumps.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::env::Site;
use crate::faults::{Mood, Moody, STORE_TIMEOUT};
use crate::server::publishing;

pub async fn who_asks_is_told_when_the_time_is_over(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    moody.events(Mood::Hanging);
    moody.subscriptions.set(Mood::Hanging);
    for frame in [
        json!({"event": "message", "channel": "c", "data": "x"}),
        json!({"event": "pusher:latest", "data": {"channel": "c"}}),
        json!({"event": "pusher:subscribe", "data": {"channel": "d", "since": 0}}),
        json!({"event": "pusher:subscribe", "data": {"channel": "personal-ann", "auth": client.auth("personal-ann")}}),
    ] {
        let since = Instant::now();
        client.send(frame.clone()).await;
        client.refused(4320).await;
        assert!(
            since.elapsed() < STORE_TIMEOUT + Duration::from_secs(1),
            "{frame} took {:?}",
            since.elapsed()
        );
    }
    client.quiet().await;
}

pub async fn what_is_not_kept_waits_no_longer_than_the_store_may_take(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    client.subscribe("d").await;
    let mut other = house.subscribed("c").await;
    other.subscribe("d").await;
    moody.events(Mood::Hanging);
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
    house.call("c", "another sender").await;
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
    client.refused(4320).await;
}

pub async fn while_it_is_unknown_what_is_stored_nobody_waits(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    moody.append.set(Mood::Unsure);
    moody.positions.set(Mood::Hanging);
    client.publish("c", "message", json!("1"), json!({})).await;
    client.refused(4320).await;
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
            house
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
    moody.append.set(Mood::Well);
    moody.positions.set(Mood::Well);
    house.until_stored("c").await;
    let frame = client.expect("stored").await;
    assert_eq!(frame.serial(), 2, "the first one proved stored");
}
