//! Delivery of webhooks: forms, signatures, batches, order.

use pushi::core::auth::webhook_signature;
use pushi::core::model::{Webhook, WebhookEvent};
use pushi::core::service::Service;
use pushi_test_support::{Receiver, ServerSetup, TestEnv};
use serde_json::{Value, json};

use super::{hook, hook_for, webhook_server, webhook_server_with};

pub(super) async fn every_event_kind_has_its_form(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, vec![hook(&receiver.url)], |setup| {
        setup.settings.subscription_count = true
    })
    .await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": 7})).await;
    let expected = [
        json!({"name": "channel_occupied", "channel": "presence-x"}),
        json!({"name": "subscription_count", "channel": "presence-x", "subscription_count": 1}),
        json!({"name": "member_added", "channel": "presence-x", "user_id": "7"}),
    ];
    assert_eq!(receiver.told(3).await, expected);
    ann.expect("pusher_internal:subscription_count").await;
    ann.send_client_event("presence-x", "client-é", json!({"a": 1}))
        .await;
    let data = r#"{"a":1}"#;
    let said = json!({"name": "client_event", "channel": "presence-x", "event": "client-é", "data": data, "socket_id": ann.id, "user_id": "7"});
    assert_eq!(receiver.told(1).await, [said]);
    ann.subscribe("cache-x").await;
    let mut told = receiver.told(3).await;
    told.sort_by_key(Value::to_string);
    let expected = [
        json!({"name": "cache_miss", "channel": "cache-x"}),
        json!({"name": "channel_occupied", "channel": "cache-x"}),
        json!({"name": "subscription_count", "channel": "cache-x", "subscription_count": 1}),
    ];
    assert_eq!(told, expected);
    ann.unsubscribe("presence-x").await;
    let expected = [
        json!({"name": "subscription_count", "channel": "presence-x", "subscription_count": 0}),
        json!({"name": "member_removed", "channel": "presence-x", "user_id": "7"}),
        json!({"name": "channel_vacated", "channel": "presence-x"}),
    ];
    assert_eq!(receiver.told(3).await, expected);
}

pub(super) async fn a_message_is_signed_and_has_its_headers(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server(env, vec![hook(&receiver.url)]).await;
    let _ann = server.pusher_on("news").await;
    let call = receiver.call().await;
    assert_eq!(call.line(), "POST /hook HTTP/1.1");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-pusher-key"), server.app.key);
    assert_eq!(
        call.header("x-pusher-signature"),
        webhook_signature(&server.app.secret, &call.body)
    );
    let time = call.json()["time_ms"].as_i64().unwrap();
    assert!(
        (0..1000).contains(&(server.clock_now().micros() / 1000 - time)),
        "{time}"
    );
    assert_eq!(
        call.events(),
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}

pub(super) async fn simultaneous_events_are_sent_together(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, vec![hook(&receiver.url)], |setup| {
        setup.send_webhooks = false
    })
    .await;
    let mut ann = server.pusher().await;
    for name in ["a", "b", "c"] {
        ann.subscribe(name).await;
    }
    server.queued_webhook_events(3).await;
    server.send_webhooks();
    let names: Vec<Value> = receiver
        .call()
        .await
        .events()
        .iter()
        .map(|event| event["channel"].clone())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

pub(super) async fn a_webhook_gets_only_its_events(env: &TestEnv) {
    let [mut all, mut some, mut rooms] = [
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    ];
    let for_rooms = Webhook {
        channel_prefix: Some("room-".into()),
        ..hook(&rooms.url)
    };
    let misses = hook_for(&some.url, &[WebhookEvent::CacheMiss]);
    // An address that is listed twice is called once.
    let server = webhook_server(
        env,
        vec![
            hook(&all.url),
            misses,
            for_rooms,
            hook_for(&all.url, &[WebhookEvent::CacheMiss]),
        ],
    )
    .await;
    let mut ann = server.pusher().await;
    for name in ["news", "room-1", "cache-x"] {
        ann.subscribe(name).await;
    }
    let told = all.told(4).await;
    assert_eq!(
        told.iter()
            .filter(|event| event["name"] == "channel_occupied")
            .count(),
        3
    );
    assert_eq!(
        some.told(1).await,
        [json!({"name": "cache_miss", "channel": "cache-x"})]
    );
    assert_eq!(
        rooms.told(1).await,
        [json!({"name": "channel_occupied", "channel": "room-1"})]
    );
    server.queued_webhook_events(0).await;
    assert!(all.is_quiet() && some.is_quiet() && rooms.is_quiet());
}

/// All senders and the task that claims due addresses share a store that answers few calls at a time.
pub(super) async fn many_addresses_are_called_concurrently(env: &TestEnv) {
    let mut receivers = Vec::new();
    for _ in 0..20 {
        receivers.push(Receiver::start().await);
    }
    let server = webhook_server(
        env,
        receivers
            .iter()
            .map(|receiver| hook(&receiver.url))
            .collect(),
    )
    .await;
    let mut ann = server.pusher().await;
    for name in ["a", "b", "c"] {
        ann.subscribe(name).await;
        for receiver in &mut receivers {
            assert_eq!(
                receiver.told(1).await,
                [json!({"name": "channel_occupied", "channel": name})]
            );
        }
    }
}

pub(super) async fn messages_keep_the_order_of_events(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let webhooks = vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])];
    let server = webhook_server_with(env, webhooks, |setup| {
        setup.settings.limits.max_client_events = Some(0)
    })
    .await;
    let mut ann = server.pusher_on("private-x").await;
    for number in 0..250 {
        ann.send_client_event("private-x", "client-count", json!(number))
            .await;
    }
    let told: Vec<Value> = receiver
        .told(250)
        .await
        .iter()
        .map(|event| event["data"].clone())
        .collect();
    assert_eq!(
        told,
        (0..250)
            .map(|number| json!(number.to_string()))
            .collect::<Vec<_>>()
    );
}

pub(super) async fn an_app_without_webhooks_has_nothing_in_the_outbox(env: &TestEnv) {
    let server = webhook_server(env, Vec::new()).await;
    let mut ann = server.pusher().await;
    ann.join("presence-cache-x", json!({"user_id": "ann"}))
        .await;
    ann.expect("pusher:cache_miss").await;
    ann.send_client_event("presence-cache-x", "client-x", json!(1))
        .await;
    ann.expect_nothing().await;
    assert_eq!(
        (
            server.reported_presence().await,
            env.stores.outbox.depth().await.unwrap()
        ),
        (Vec::new(), 0)
    );
}

pub(super) async fn client_events_reach_webhooks_from_both_dialects(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server(
        env,
        vec![hook_for(&receiver.url, &[WebhookEvent::ClientEvent])],
    )
    .await;
    let mut bo = server.client().await;
    bo.join("presence-x", json!({"user_id": "bo"})).await;
    // A publish of any other name is no client event.
    bo.publish(
        "presence-x",
        "message",
        json!("1"),
        json!({"persist": false}),
    )
    .await;
    bo.publish(
        "presence-x",
        "client-a",
        json!("2"),
        json!({"persist": false}),
    )
    .await;
    bo.publish_stored("presence-x", "client-b", json!("3"))
        .await;
    server.trigger(&["presence-x"], "client-c", "4").await;
    let told = receiver.told(2).await;
    let of = |event: &str, data: &str| json!({"name": "client_event", "channel": "presence-x", "event": event, "data": data, "socket_id": bo.id, "user_id": "bo"});
    assert_eq!(told, [of("client-a", "2"), of("client-b", "3")]);
    server.queued_webhook_events(0).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn webhooks_set_later_get_later_events(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server(env, Vec::new()).await;
    let mut ann = server.pusher_on("before").await;
    let webhooks = vec![hook(&receiver.url)];
    server
        .set(|settings| settings.webhooks.clone_from(&webhooks))
        .await;
    pushi_test_support::until("nobody is remembered", async || {
        !server.reported_presence().await.is_empty()
    })
    .await;
    ann.subscribe("after").await;
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "after"})]
    );
    // Recorded presence is reported when it ends.
    ann.0.close().await;
    let mut told = receiver.told(2).await;
    told.sort_by_key(Value::to_string);
    assert_eq!(
        told,
        [
            json!({"name": "channel_vacated", "channel": "after"}),
            json!({"name": "channel_vacated", "channel": "before"})
        ]
    );
}

pub(super) async fn one_of_two_nodes_sends(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let together = |setup: &mut ServerSetup| {
        (setup.send_webhooks, setup.rules.webhooks.single_node) = (false, false)
    };
    let server = webhook_server_with(env, vec![hook(&receiver.url)], together).await;
    let mut other = ServerSetup::over(&env.stores);
    together(&mut other);
    let other = std::sync::Arc::new(Service::new(other.ports, other.rules, other.hub).unwrap());
    server.send_webhooks();
    let stop = env.stop.clone();
    env.spawn(async move { other.parts().sender.run(stop.cancelled()).await });
    let mut ann = server.pusher().await;
    let names: Vec<String> = (0..60).map(|n| format!("room-{n}")).collect();
    for name in &names {
        ann.subscribe(name).await;
    }
    let told: Vec<Value> = receiver
        .told(60)
        .await
        .iter()
        .map(|event| event["channel"].clone())
        .collect();
    assert_eq!(told, names);
    server.queued_webhook_events(0).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn a_node_with_stale_settings_sends_new_webhooks(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, Vec::new(), |setup| setup.send_webhooks = false).await;
    let mut other = ServerSetup::over(&env.stores);
    other.rules.webhooks.single_node = false;
    let other = std::sync::Arc::new(Service::new(other.ports, other.rules, other.hub).unwrap());
    // It reads the app now, and follows no change.
    assert!(
        other
            .app(&server.app.ident)
            .await
            .unwrap()
            .settings
            .webhooks
            .is_empty()
    );
    let webhooks = vec![hook(&receiver.url)];
    server
        .set(|settings| settings.webhooks.clone_from(&webhooks))
        .await;
    let stop = env.stop.clone();
    env.spawn(async move { other.parts().sender.run(stop.cancelled()).await });
    let _ann = server.pusher_on("news").await;
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}
