//! Past events for clients of the Pusher dialect.

use pushi_test_support::{TestEnv, TestServer, replay};
use serde_json::json;

async fn replaying(env: &TestEnv, count: u32) -> TestServer<'_> {
    env.server_with(|setup| replay(&mut setup.settings, "room-", count))
        .await
}

async fn say(server: &TestServer<'_>, channel: &str, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        server.trigger(&[channel], "e", &number.to_string()).await;
    }
}

pub(super) async fn the_newest_events_follow_the_subscription(env: &TestEnv) {
    let server = replaying(env, 3).await;
    say(&server, "room-1", 1..=5).await;
    let mut client = server.pusher().await;
    assert_eq!(client.subscribe("room-1").await, json!({}));
    for number in ["3", "4", "5"] {
        assert_eq!(client.expect_data("room-1", "e").await, number);
    }
    client.expect_nothing().await;
    say(&server, "room-1", 6..=6).await;
    assert_eq!(client.expect_data("room-1", "e").await, "6");
    client.subscribe("room-empty").await;
    client.expect_nothing().await;
}

pub(super) async fn without_a_prefix_nothing_is_stored(env: &TestEnv) {
    let server = replaying(env, 3).await;
    server.trigger(&["news", "room-1"], "e", "x").await;
    let mut client = server.pusher_on("news").await;
    client.expect_nothing().await;
    let state = client.subscribe_with("news", json!({"since": 0})).await;
    assert_eq!(state, json!({"recovered": true, "serial": 0}));
    let state = client.subscribe_with("room-1", json!({"since": 0})).await;
    assert_eq!(state, json!({"recovered": true, "serial": 1}));
    client.expect_data("room-1", "e").await;
    // Pushi's own default is as it was.
    server.publish(&["news"], "e", "kept", true).await;
    client.expect_data("news", "e").await;
    let mut late = server.pusher_on("news").await;
    late.expect_nothing().await;
    assert_eq!(
        late.subscribe_with("news", json!({"since": 0})).await["serial"],
        1
    );
}

pub(super) async fn since_a_serial_replays_all_later_events(env: &TestEnv) {
    let server = replaying(env, 3).await;
    say(&server, "room-1", 1..=20).await;
    let mut client = server.pusher().await;
    let state = client.subscribe_with("room-1", json!({"since": 12})).await;
    assert_eq!(state, json!({"recovered": true, "serial": 20}));
    for number in 13..=20 {
        let frame = client.expect("e").await;
        assert_eq!(
            (frame.data(), frame.serial()),
            (number.to_string().as_str(), number)
        );
    }
    let mut member = server.signed_in("ann").await;
    let state = member
        .subscribe_with("presence-room", json!({"since": 0}))
        .await;
    assert_eq!(
        (
            &state["recovered"],
            &state["serial"],
            &state["presence"]["count"]
        ),
        (&json!(true), &json!(0), &json!(1))
    );
    client.expect_nothing().await;
}

pub(super) async fn since_a_pruned_serial_is_not_recovered(env: &TestEnv) {
    let server = replaying(env, 3).await;
    say(&server, "room-1", 1..=15).await;
    let mut client = server.pusher().await;
    let state = client.subscribe_with("room-1", json!({"since": 16})).await;
    assert_eq!(state, json!({"recovered": false, "serial": 15}));
    for number in 6..=15 {
        assert_eq!(client.expect_data("room-1", "e").await, number.to_string());
    }
    env.prune_all_but(5).await;
    let state = client.subscribe_with("room-1", json!({"since": 9})).await;
    assert_eq!(state, json!({"recovered": false, "serial": 15}));
    for number in 11..=15 {
        assert_eq!(client.expect_data("room-1", "e").await, number.to_string());
    }
    client.expect_nothing().await;
}

pub(super) async fn since_now_replays_nothing(env: &TestEnv) {
    let server = replaying(env, 3).await;
    say(&server, "room-1", 1..=5).await;
    let mut client = server.pusher().await;
    let state = client
        .subscribe_with("room-1", json!({"since": "now"}))
        .await;
    assert_eq!(state, json!({"recovered": true, "serial": 5}));
    client.expect_nothing().await;
    say(&server, "room-1", 6..=6).await;
    assert_eq!(client.expect_data("room-1", "e").await, "6");
}

pub(super) async fn any_other_since_is_refused(env: &TestEnv) {
    let server = replaying(env, 3).await;
    let mut client = server.pusher().await;
    for since in [
        json!(-1),
        json!(1.5),
        json!("then"),
        json!(true),
        json!({"room-1": 1}),
        json!([]),
    ] {
        client.next_is_invalid();
        client
            .send_subscribe("room-1", json!({"since": since}))
            .await;
        client
            .expect_subscription_error("room-1", "InvalidSince", 400)
            .await;
    }
    assert_eq!(server.subscriptions("room-1").await, 0);
}

pub(super) async fn stored_events_carry_their_place(env: &TestEnv) {
    let server = replaying(env, 3).await;
    let mut client = server.pusher_on("room-1").await;
    say(&server, "room-1", 1..=1).await;
    let live = client.next().await;
    let (mid, timestamp) = (&live.value["mid"], &live.value["timestamp"]);
    assert!(mid.is_string() && timestamp.is_f64(), "{live:?}");
    let text = format!(
        r#"{{"event":"e","channel":"room-1","data":"1","mid":{mid},"serial":1,"timestamp":{timestamp}}}"#
    );
    assert_eq!(live.text, text);
    let mut late = server.pusher_on("room-1").await;
    assert_eq!(late.next().await.text, text, "the same in a replay");
}

pub(super) async fn subscribers_see_every_serial_once(env: &TestEnv) {
    let server = replaying(env, 1000).await;
    for round in 0..10 {
        let channel = format!("room-{round}");
        let saying = say(&server, &channel, 1..=30);
        let subscribing = async {
            let mut clients = Vec::new();
            for _ in 0..5 {
                clients.push(server.pusher_on(&channel).await);
            }
            clients
        };
        let (clients, ()) = tokio::join!(subscribing, saying);
        for mut client in clients {
            for serial in 1..=30 {
                assert_eq!(client.expect("e").await.serial(), serial);
            }
            client.expect_nothing().await;
        }
    }
}
