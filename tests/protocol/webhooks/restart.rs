//! Queued webhook events survive a restart.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::service::Service;
use pushi_test_support::{Receiver, ServerSetup, TestEnv};
use serde_json::json;
use tokio::sync::Notify;

use super::{hook, webhook_server_with};

/// Another server on the same store, whose clock is ahead by this much.
fn next(env: &TestEnv, later: Duration) {
    let setup = ServerSetup::over(&env.stores);
    setup.clock.advance(later);
    let (service, stop) = (
        Arc::new(Service::new(setup.ports, setup.rules, setup.hub).unwrap()),
        env.stop.clone(),
    );
    env.spawn(async move { service.parts().sender.run(stop.cancelled()).await });
}

pub(super) async fn queued_events_are_sent_after_a_restart(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, vec![hook(&receiver.url)], |setup| {
        setup.send_webhooks = false
    })
    .await;
    let _ann = server.pusher_on("news").await;
    server.queued_webhook_events(1).await;
    next(env, Duration::from_secs(1));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
    server.queued_webhook_events(0).await;
}

pub(super) async fn events_in_flight_are_sent_after_a_restart(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, vec![hook(&receiver.url)], |setup| {
        setup.send_webhooks = false
    })
    .await;
    let _ann = server.pusher_on("news").await;
    server.queued_webhook_events(1).await;
    // A node that is killed while it holds the claim.
    let now = server.clock_now();
    let claims = env
        .stores
        .outbox
        .claim("alone", now, now.plus(Duration::from_secs(3600)), 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    next(env, Duration::from_secs(1));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}

pub(super) async fn another_nodes_claim_is_respected_until_it_ends(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = webhook_server_with(env, vec![hook(&receiver.url)], |setup| {
        setup.send_webhooks = false
    })
    .await;
    let _ann = server.pusher_on("news").await;
    server.queued_webhook_events(1).await;
    let now = server.clock_now();
    let claims = env
        .stores
        .outbox
        .claim("killed", now, now.plus(Duration::from_secs(20)), 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    let stopped = Arc::new(Notify::new());
    let (service, stop) = (Arc::clone(&server.service), Arc::clone(&stopped));
    let sender = tokio::spawn(async move { service.parts().sender.run(stop.notified()).await });
    stopped.notify_one();
    sender.await.unwrap();
    assert!(receiver.is_quiet(), "the claim is another's");
    next(env, Duration::from_secs(21));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}
