//! The rate and the order of publishes.

use std::sync::Arc;
use std::time::Duration;

use pushi_test_support::{Client, TestEnv, publishing};
use serde_json::json;

pub(crate) async fn too_fast_is_4301(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.publishes = 3)
        .await;
    let [mut client, mut other] = server.clients().await;
    client.subscribe("c").await;
    other.subscribe("c").await;
    let burst = async |client: &mut Client, channel: &str, taken: usize, of: usize| {
        for n in 0..of {
            client
                .publish(
                    channel,
                    "message",
                    json!("x"),
                    json!({"persist": false, "ref": n.to_string()}),
                )
                .await;
        }
        for n in taken..of {
            let frame = client.expect_error(4301).await;
            assert_eq!(frame.value["data"]["ref"], n.to_string());
        }
        client.expect_nothing().await;
    };
    burst(&mut client, "c", 3, 5).await;
    for _ in 0..3 {
        other.expect("message").await;
    }
    other.expect_nothing().await;
    server.clock.advance(Duration::from_secs(1));
    burst(&mut client, "c", 3, 4).await;
    // Others have a rate of their own, an app can have another one, and a back end has none.
    burst(&mut server.subscribed("d").await, "d", 3, 4).await;
    server
        .set(|settings| settings.limits.max_publishes = Some(5))
        .await;
    burst(&mut server.subscribed("d").await, "d", 5, 6).await;
    server
        .set(|settings| settings.limits.max_publishes = Some(0))
        .await;
    burst(&mut client, "c", 20, 20).await;
    for _ in 0..20 {
        server.publish_transient("c", "hello").await;
    }
}

pub(crate) async fn publishes_of_one_socket_keep_their_order(env: &TestEnv) {
    let server = env.server().await;
    let [mut sender, mut other] = server.clients().await;
    for name in ["a", "b"] {
        sender.subscribe(name).await;
        other.subscribe(name).await;
    }
    let sending = async {
        for n in 0..500_u32 {
            // Neither regular nor random: all mixtures of kept and not kept, on both channels.
            let (name, persist) = (if n % 7 < 3 { "a" } else { "b" }, n % 5 % 2 == 0);
            sender
                .publish(
                    name,
                    "message",
                    json!(n),
                    json!({"persist": persist, "echo": true}),
                )
                .await;
        }
    };
    let reading = async {
        let mut next = std::collections::HashMap::from([("a", 0_u32), ("b", 0)]);
        let mut serials = std::collections::HashMap::from([("a", 0), ("b", 0)]);
        for _ in 0..500 {
            let frame = other.expect("message").await;
            let name = if frame.channel() == "a" { "a" } else { "b" };
            let n: u32 = frame.data().parse().unwrap();
            let due = next[name]..=n;
            let skipped = due
                .filter(|m| (if m % 7 < 3 { "a" } else { "b" }) == name)
                .count();
            assert_eq!(skipped, 1, "{n} on {name}, where {} was due", next[name]);
            next.insert(name, n + 1);
            if (n % 5).is_multiple_of(2) {
                assert_eq!(frame.serial(), serials[name] + 1);
                serials.insert(name, frame.serial());
            }
        }
    };
    tokio::join!(sending, reading);
    let mut last = std::collections::HashMap::new();
    for _ in 0..500 {
        let frame = sender.expect("message").await;
        let n: u32 = frame.data().parse().unwrap();
        assert!(
            last.insert(frame.channel().to_owned(), n)
                .is_none_or(|before| before < n),
            "its own copies, too"
        );
    }
    sender.expect_nothing().await;
    other.expect_nothing().await;
}

pub(crate) async fn many_publishers_make_one_order(env: &TestEnv) {
    let server = env.server().await;
    let mut readers: [Client; 3] = server.clients().await;
    for reader in &mut readers {
        reader.subscribe("c").await;
    }
    let publishers = (0..4).map(|publisher| {
        let (service, app) = (Arc::clone(&server.service), Arc::clone(&server.app));
        tokio::spawn(async move {
            for n in 0..50 {
                service
                    .publish(
                        &app,
                        publishing(&["c"], "message", &format!("{publisher}.{n}"), true),
                    )
                    .await
                    .unwrap();
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    let mut orders = Vec::new();
    for reader in &mut readers {
        let mut order = Vec::new();
        for serial in 1..=200 {
            let frame = reader.expect("message").await;
            assert_eq!(frame.serial(), serial);
            order.push(frame.data().to_owned());
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
}
