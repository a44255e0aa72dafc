//! Acknowledgements and idempotency keys.

use pushi::core::service::Publishing;
use pushi_test_support::{TestEnv, event_texts, publishing, serials};
use serde_json::json;

pub(crate) async fn a_kept_publish_with_a_ref_is_acknowledged(env: &TestEnv) {
    let server = env.server().await;
    let [mut sender, mut other] = server.clients().await;
    sender.subscribe("c").await;
    other.subscribe("c").await;
    for serial in 1..=3 {
        sender
            .publish(
                "c",
                "message",
                json!("x"),
                json!({"ref": format!("r{serial}")}),
            )
            .await;
        let frame = sender.expect("pusher_internal:published").await;
        let event = other.expect("message").await;
        let (mid, time) = (
            event.value["mid"].as_str().unwrap(),
            &event.value["timestamp"],
        );
        let data = format!(
            r#"{{\"ref\":\"r{serial}\",\"mid\":\"{mid}\",\"serial\":{serial},\"timestamp\":{time}}}"#
        );
        assert_eq!(
            frame.text,
            format!(r#"{{"event":"pusher_internal:published","channel":"c","data":"{data}"}}"#)
        );
    }
    other.expect_nothing().await;
}

pub(crate) async fn no_ack_without_ref_or_persist(env: &TestEnv) {
    let server = env.server().await;
    let mut sender = server.client().await;
    sender.subscribe("c").await;
    sender.publish("c", "message", json!("x"), json!({})).await;
    sender
        .publish(
            "c",
            "message",
            json!("x"),
            json!({"ref": "7", "persist": false}),
        )
        .await;
    sender
        .publish("c", "message", json!("x"), json!({"ref": null}))
        .await;
    // The next acknowledgement is the last one's.
    assert_eq!(
        sender.publish_stored("c", "message", json!("x")).await["serial"],
        3
    );
    sender.expect_nothing().await;
}

pub(crate) async fn any_ref_is_echoed_unchanged(env: &TestEnv) {
    let server = env.server().await;
    let mut sender = server.client().await;
    sender.subscribe("c").await;
    for reference in ["", " ", "\"\\\n\u{0}", "é🦀", &"🦀".repeat(64)] {
        sender
            .publish("c", "message", json!("x"), json!({"ref": reference}))
            .await;
        assert_eq!(
            sender.expect("pusher_internal:published").await.inner()["ref"],
            reference
        );
    }
    // The same one twice is answered twice: it is the client's name for a frame, no key.
    for _ in 0..2 {
        sender
            .publish("c", "message", json!("x"), json!({"ref": "again"}))
            .await;
    }
    let first = sender.expect("pusher_internal:published").await.inner();
    let second = sender.expect("pusher_internal:published").await.inner();
    assert_eq!(
        first["serial"].as_u64().unwrap() + 1,
        second["serial"].as_u64().unwrap()
    );
}

pub(crate) async fn acknowledgements_come_in_the_order_of_the_publishes(env: &TestEnv) {
    let server = env.server().await;
    let mut sender = server.client().await;
    sender.subscribe("c").await;
    // Twice what may be unanswered.
    for n in 0..128 {
        sender
            .publish("c", "message", json!(n), json!({"ref": n.to_string()}))
            .await;
    }
    for n in 0..128 {
        let said = sender.expect("pusher_internal:published").await.inner();
        assert_eq!(
            (&said["ref"], &said["serial"]),
            (&json!(n.to_string()), &json!(n + 1))
        );
    }
    sender.expect_nothing().await;
}

pub(crate) async fn acknowledged_events_are_in_the_history(env: &TestEnv) {
    let server = env.server().await;
    let mut sender = server.client().await;
    sender.subscribe("c").await;
    for n in 0..20 {
        let ack = sender.publish_stored("c", "message", json!(n)).await;
        let event = sender.query(json!({"channel": "c", "count": 1})).await["events"][0].clone();
        for member in ["mid", "serial", "timestamp"] {
            assert_eq!(event[member], ack[member], "{member}");
        }
    }
}

fn keyed(key: &str, channels: &[&str], text: &str) -> Publishing {
    Publishing {
        idempotency_key: Some(key.to_owned()),
        ..publishing(channels, "message", text, true)
    }
}

pub(crate) async fn the_same_key_stores_and_sends_once(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    for _ in 0..3 {
        server
            .try_publish(keyed("k1", &["c"], "once"))
            .await
            .unwrap();
    }
    server
        .try_publish(keyed("k2", &["c"], "another"))
        .await
        .unwrap();
    assert_eq!(client.expect("message").await.data(), "once");
    assert_eq!(client.expect("message").await.data(), "another");
    client.expect_nothing().await;
    assert_eq!(
        serials(&client.query(json!({"channel": "c"})).await),
        [2, 1]
    );
}

pub(crate) async fn a_key_is_kept_a_day(env: &TestEnv) {
    use std::time::Duration;
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    for hours in [0, 5, 23] {
        server
            .try_publish(keyed("k", &["c"], "first"))
            .await
            .unwrap();
        server.clock.advance(Duration::from_secs(hours * 3600 / 2));
    }
    server
        .try_publish(keyed("k", &["c"], "first"))
        .await
        .unwrap();
    client.expect("message").await;
    client.expect_nothing().await;
    server.clock.advance(Duration::from_secs(2 * 24 * 3600));
    server
        .try_publish(keyed("k", &["c"], "anew"))
        .await
        .unwrap();
    assert_eq!(client.expect("message").await.data(), "anew");
}

pub(crate) async fn concurrent_publishes_with_one_key_store_one(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    client.subscribe("d").await;
    for round in 0..20 {
        let key = format!("k{round}");
        let mut all = Vec::new();
        for n in 0..8 {
            let (service, app) = (
                std::sync::Arc::clone(&server.service),
                std::sync::Arc::clone(&server.app),
            );
            let (same, own) = (
                keyed(&key, &["c"], "same"),
                publishing(&["d"], "message", &n.to_string(), true),
            );
            all.push(tokio::spawn(async move {
                let (same, own) =
                    tokio::join!(service.publish(&app, same), service.publish(&app, own));
                same.unwrap();
                own.unwrap();
            }));
        }
        for one in all {
            one.await.unwrap();
        }
        let mut heard = Vec::new();
        for _ in 0..9 {
            heard.push(client.expect("message").await.data().to_owned());
        }
        heard.sort_unstable();
        assert_eq!(
            heard,
            ["0", "1", "2", "3", "4", "5", "6", "7", "same"],
            "round {round}"
        );
        client.expect_nothing().await;
    }
    assert_eq!(
        client.query(json!({"channel": "c"})).await["events"][0]["serial"],
        20
    );
    assert_eq!(
        client.query(json!({"channel": "d"})).await["events"][0]["serial"],
        160
    );
}

pub(crate) async fn a_key_is_the_apps_own(env: &TestEnv) {
    let server = env.server().await;
    let other = pushi::core::model::NewApp {
        name: "Other".to_owned(),
        ..Default::default()
    };
    let other = server.service.create_app(other).await.unwrap();
    let mut stranger = server.client_of(&other).await;
    stranger.subscribe("c").await;
    server
        .try_publish(keyed("k", &["c"], "ours"))
        .await
        .unwrap();
    server
        .service
        .publish(&other, keyed("k", &["c"], "theirs"))
        .await
        .unwrap();
    assert_eq!(stranger.expect("message").await.data(), "theirs");
}

pub(crate) async fn a_key_covers_all_channels_of_its_publish(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    server
        .try_publish(keyed("k", &["a", "b"], "x"))
        .await
        .unwrap();
    server
        .try_publish(keyed("k", &["a", "b"], "x"))
        .await
        .unwrap();
    client.expect("message").await;
    client.expect_nothing().await;
    for name in ["a", "b"] {
        assert_eq!(
            event_texts(&client.query(json!({"channel": name})).await),
            ["x"]
        );
    }
}
