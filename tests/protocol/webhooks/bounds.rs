//! Webhook events of several apps: bounds in bytes, and turns. On a paused clock.

use std::sync::Arc;

use pushi::core::model::{AppSettings, WebhookEvent};
use pushi_test_support::{Fault, FaultyStore, TestEnv, TestServer, until};
use serde_json::json;

use super::{hook, hook_for, outbox, webhook_server_with};

const HOOK: &str = "http://127.0.0.1:9/";

const OTHER: &str = "http://127.0.0.1:9/other";

/// A server that records events in such a store and sends none, with another app.
async fn server<'a>(
    env: &'a TestEnv,
    hooks: usize,
    queued_bytes: u64,
    outbox_bytes: u64,
) -> (TestServer<'a>, Arc<FaultyStore>) {
    let store = FaultyStore::over(&env.stores);
    let hooks = (0..hooks).map(|number| hook(&format!("{HOOK}{number}")));
    let server = webhook_server_with(env, hooks.collect(), |setup| {
        setup.send_webhooks = false;
        setup.ports.stores.outbox = store.clone();
        setup.rules.limits.queued_bytes = queued_bytes;
        setup.rules.limits.outbox_bytes = outbox_bytes;
    });
    (server.await, store)
}

fn with_hook() -> AppSettings {
    AppSettings {
        webhooks: vec![hook_for(OTHER, &[WebhookEvent::ChannelOccupied])],
        ..AppSettings::default()
    }
}

/// The entries of the delivery log that report losses: address, events and problem.
async fn lost(server: &TestServer<'_>) -> Vec<(String, u64, String)> {
    let log = server.service.webhook_log(&server.app.ident, None, 100);
    let log = log.await.unwrap();
    let lost = log.deliveries.iter().filter(|entry| entry.is_lost());
    lost.map(|entry| {
        let problem = entry.last.problem.clone().unwrap();
        (entry.address.to_string(), entry.events, problem)
    })
    .collect()
}

/// Waits until a condition holds, on a clock that jumps.
async fn later(is_so: impl AsyncFn() -> bool) {
    for _ in 0..300 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it does not happen within 30 s");
}

pub(super) async fn a_flood_with_many_webhooks_delays_no_other_app(env: &TestEnv) {
    let (server, store) = server(env, 20, 0, 0).await;
    let other = server.other_app(with_hook()).await;
    let [mut flood, mut again] = server.clients().await;
    let mut client = server.client_of(&other).await;
    store.outbox_put.set(Fault::Hang);
    for number in 0..300 {
        flood.subscribe(&format!("c{number}")).await;
        again.subscribe(&format!("d{number}")).await;
    }
    let before = store.put.lock().len();
    client.subscribe("mine").await;
    store.outbox_put.set(Fault::None);
    later(async || server.service.gauges().webhook_queue_bytes == 0).await;
    let mut puts = store.put.lock().clone();
    let hung = puts[before - 1].clone();
    // A write that fails is repeated.
    puts.dedup();
    let place_of_hung = puts.iter().position(|put| *put == hung).unwrap();
    let place = puts
        .iter()
        .position(|put| put.iter().any(|(app, _)| *app == other.ident));
    assert!(
        place.is_some_and(|place| place <= place_of_hung + 2),
        "by the next write but one: {place:?} {place_of_hung}"
    );
    let occupied: usize = puts.iter().map(Vec::len).sum();
    assert!(occupied >= 601, "{occupied}");
    // 20 rows for each event.
    assert!(puts.iter().all(|put| put.len() <= 200), "{}", puts.len());
}

pub(super) async fn lost_events_are_counted_listed_and_made_up_for(env: &TestEnv) {
    let (server, store) = server(env, 1, 4000, 0).await;
    let other = server.other_app(with_hook()).await;
    let mut flood = server.client().await;
    let mut client = server.client_of(&other).await;
    store.outbox_put.set(Fault::Hang);
    flood.subscribe("first").await;
    store.outbox_put.called(1).await;
    for number in 10..30 {
        flood.subscribe(&format!("c{number}")).await;
    }
    client.subscribe("mine").await;
    store.outbox_put.set(Fault::None);
    later(async || !lost(&server).await.is_empty()).await;
    let entries = lost(&server).await;
    let [(address, events, problem)] = &entries[..] else {
        panic!("{entries:?}");
    };
    // Nine events of 403 bytes fit.
    assert_eq!((address, events), (&format!("{HOOK}0"), &11));
    assert!(problem.contains("PUSHI_MAX_QUEUED_BYTES"), "{problem}");
    let line = format!(
        "pushi_queue_refused_total{{app=\"{}\",queue=\"webhook\"}} 11",
        server.app.ident
    );
    assert!(server.metrics().contains(&line), "{}", server.metrics());
    // Those who are present are reported when there is space.
    later(async || server.reported_presence().await.len() == 21).await;
    let told = outbox(&env.stores, &server).await;
    let occupied = told
        .iter()
        .filter(|event| event.starts_with("channel_occupied c"));
    assert_eq!(occupied.count(), 20, "{told:?}");
    assert!(told.contains(&"channel_occupied mine".to_owned()));
}

pub(super) async fn departures_over_the_bound_are_made_up_for(env: &TestEnv) {
    let (server, _store) = server(env, 1, 4000, 0).await;
    let mut client = server.client().await;
    for number in 10..40 {
        client.subscribe(&format!("c{number}")).await;
        later(async || server.service.gauges().webhook_queue_bytes == 0).await;
    }
    assert_eq!(server.reported_presence().await.len(), 30);
    for number in 10..40 {
        client.unsubscribe(&format!("c{number}")).await;
    }
    assert!(server.service.gauges().webhook_queue_bytes <= 4000);
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    }
    assert_eq!(server.reported_presence().await, []);
}

pub(super) async fn the_outbox_of_an_app_is_bounded(env: &TestEnv) {
    let (server, _store) = server(env, 1, 0, 5000).await;
    let other = server.other_app(with_hook()).await;
    let mut sender = server.client().await;
    sender.subscribe("private-x").await;
    for number in 0..30 {
        let further = json!({"persist": false});
        sender
            .publish(
                "private-x",
                "client-a",
                json!(format!("{number:0300}")),
                further,
            )
            .await;
    }
    sender.expect_nothing().await;
    later(async || server.service.gauges().webhook_queue_bytes == 0).await;
    later(async || !lost(&server).await.is_empty()).await;
    let stored = env.stores.outbox.bytes_of(&server.app.ident).await.unwrap();
    assert!(stored.waiting <= 5000, "{stored:?}");
    let entries = lost(&server).await;
    assert!(
        entries[0].2.contains("PUSHI_MAX_OUTBOX_BYTES"),
        "{entries:?}"
    );
    let mut client = server.client_of(&other).await;
    client.subscribe("mine").await;
    later(async || {
        let told = outbox(&env.stores, &server).await;
        told.contains(&"channel_occupied mine".to_owned())
    })
    .await;
}

pub(super) async fn client_events_that_are_not_allowed_reach_no_webhook(env: &TestEnv) {
    let store = FaultyStore::over(&env.stores);
    let hooks = vec![hook_for(HOOK, &[WebhookEvent::ClientEvent])];
    let server = webhook_server_with(env, hooks, |setup| {
        setup.send_webhooks = false;
        setup.ports.stores.outbox = store.clone();
        setup.settings.client_events = false;
    })
    .await;
    let [mut sender, mut other] = server.clients().await;
    let channels = ["private-x", "public", "private-encrypted-x"];
    for name in channels {
        sender.subscribe(name).await;
        other.subscribe(name).await;
    }
    for (allowed, expected) in [(false, 0), (true, 1)] {
        server
            .set(|settings| settings.client_events = allowed)
            .await;
        for name in channels {
            for persist in [false, true] {
                let further = json!({"persist": persist, "ref": "r"});
                sender.publish(name, "client-a", json!("x"), further).await;
                other.expect("client-a").await;
                if persist {
                    sender.expect("pusher_internal:published").await;
                }
            }
        }
        until("the events are not recorded", async || {
            server.service.gauges().webhook_queue_bytes == 0
        })
        .await;
        let put: usize = store.put.lock().iter().map(Vec::len).sum();
        // Persisted or not: the private channel's alone.
        assert_eq!(put, 2 * expected, "client_events={allowed}");
    }
}
