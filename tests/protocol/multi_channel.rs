//! One publish to several channels.

use std::sync::Arc;

use pushi_test_support::{Client, TestEnv, publishing};
use serde_json::json;

pub(crate) async fn a_socket_on_several_gets_it_once(env: &TestEnv) {
    let server = env.server().await;
    let [mut all, mut one, mut none] = server.clients().await;
    for channel in ["a", "b", "c"] {
        all.subscribe(channel).await;
    }
    one.subscribe("b").await;
    none.subscribe("d").await;
    for persist in [true, false] {
        server
            .publish(&["a", "b", "c"], "message", "x", persist)
            .await;
        let frame = all.expect("message").await;
        assert!(["a", "b", "c"].contains(&frame.channel()));
        assert_eq!(one.expect("message").await.channel(), "b");
        all.expect_nothing().await;
        one.expect_nothing().await;
        none.expect_nothing().await;
    }
}

pub(crate) async fn each_copy_has_its_own_place_and_the_same_publish(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("b", &["before"]).await;
    let [mut a, mut b] = server.clients().await;
    a.subscribe("a").await;
    b.subscribe("b").await;
    server.publish(&["a", "b"], "message", "x", true).await;
    let (in_a, in_b) = (a.expect("message").await, b.expect("message").await);
    assert_eq!((in_a.serial(), in_b.serial()), (1, 2));
    assert_ne!(in_a.value["mid"], in_b.value["mid"]);
    let publish = in_a.value["publish"].as_str().unwrap();
    assert_eq!(in_b.value["publish"], publish);
    for (client, channel) in [(&mut a, "a"), (&mut b, "b")] {
        let state = client.query(json!({"channel": channel, "count": 1})).await;
        assert_eq!(state["events"][0]["publish"], publish);
    }
    server.publish(&["a", "b"], "message", "x", true).await;
    assert_ne!(
        a.expect("message").await.value["publish"],
        publish,
        "the next publish has another"
    );
    server.publish(&["a"], "message", "x", true).await;
    assert_eq!(
        a.expect("message").await.value.get("publish"),
        None,
        "alone it needs none"
    );
    assert_eq!(
        a.query(json!({"channel": "a", "count": 1})).await["events"][0].get("publish"),
        None
    );
    server.publish(&["a", "b"], "message", "x", false).await;
    assert!(
        a.expect("message").await.value["publish"].is_string(),
        "also where it is not kept"
    );
}

pub(crate) async fn with_since_it_is_always_sent(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("a").await;
    client.subscribe_with("b", json!({"since": "now"})).await;
    client.subscribe_with("c", json!({"since": 0})).await;
    client.subscribe("d").await;
    for serial in 1..=3 {
        server
            .publish(&["a", "b", "c", "d"], "message", "x", true)
            .await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            let frame = client.expect("message").await;
            assert_eq!(frame.serial(), serial);
            heard.push(frame.channel().to_owned());
        }
        client.expect_nothing().await;
        heard.sort_unstable();
        let without = heard
            .iter()
            .filter(|channel| ["a", "d"].contains(&channel.as_str()))
            .count();
        assert_eq!(
            (
                heard.contains(&"b".to_owned()),
                heard.contains(&"c".to_owned()),
                without
            ),
            (true, true, 1)
        );
    }
}

pub(crate) async fn the_same_channel_by_alias_and_directly_is_one(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    let mut client = server.subscribed("a").await;
    client.subscribe("personal-ann").await;
    server
        .publish(&["a", "b", "personal-ann"], "message", "x", true)
        .await;
    client.expect("message").await;
    client.expect_nothing().await;
}

pub(crate) async fn many_in_a_row_are_each_seen_once(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for channel in ["a", "b", "c", "d"] {
        client.subscribe(channel).await;
    }
    for persist in [true, false] {
        for n in 0..100 {
            server
                .publish(&["a", "b", "c", "d"], "message", &n.to_string(), persist)
                .await;
        }
        for n in 0..100 {
            assert_eq!(client.expect("message").await.data(), n.to_string());
        }
        client.expect_nothing().await;
    }
}

pub(crate) async fn many_at_once_are_each_seen_once(env: &TestEnv) {
    const CHANNELS: [&str; 4] = ["a", "b", "c", "d"];
    let server = env.server().await;
    let mut clients: [Client; 6] = server.clients().await;
    for client in &mut clients {
        for channel in CHANNELS {
            client.subscribe(channel).await;
        }
    }
    for persist in [true, false] {
        let publishers: Vec<_> = (0..8)
            .map(|publisher| {
                let (service, app) = (Arc::clone(&server.service), Arc::clone(&server.app));
                tokio::spawn(async move {
                    for n in 0..50 {
                        let mut channels = CHANNELS;
                        channels.rotate_left((publisher + n) % 4);
                        service
                            .publish(
                                &app,
                                publishing(
                                    &channels,
                                    "message",
                                    &format!("{publisher}.{n}"),
                                    persist,
                                ),
                            )
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.await.unwrap();
        }
        for client in &mut clients {
            let mut heard = Vec::new();
            for _ in 0..400 {
                heard.push(client.expect("message").await.data().to_owned());
            }
            client.expect_nothing().await;
            heard.sort_unstable();
            heard.dedup();
            assert_eq!(heard.len(), 400);
        }
    }
}
