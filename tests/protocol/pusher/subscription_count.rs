//! Subscription counts.

use std::time::Duration;

use pushi_test_support::{PusherClient, TestEnv};
use serde_json::json;

async fn told(client: &mut PusherClient, channel: &str, count: u64) {
    let data = client
        .expect_on("pusher_internal:subscription_count", channel)
        .await;
    assert_eq!(data, json!({"subscription_count": count}));
}

pub(super) async fn every_subscriber_gets_the_count(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.subscription_count = true)
        .await;
    let mut ann = server.pusher_on("news").await;
    let text = r#"{"event":"pusher_internal:subscription_count","channel":"news","data":"{\"subscription_count\":1}"}"#;
    assert_eq!(ann.next().await.text, text);
    let mut bo = server.pusher_on("news").await;
    told(&mut ann, "news", 2).await;
    told(&mut bo, "news", 2).await;
    // Again is no change.
    bo.subscribe("news").await;
    bo.expect_nothing().await;
    bo.unsubscribe("news").await;
    told(&mut ann, "news", 1).await;
    bo.expect_nothing().await;
    let cy = server.pusher_on("news").await;
    told(&mut ann, "news", 2).await;
    cy.0.abort().await;
    told(&mut ann, "news", 1).await;
}

pub(super) async fn only_where_the_app_wants_it(env: &TestEnv) {
    let server = env.server().await;
    let mut ann = server.pusher_on("news").await;
    let mut bo = server.pusher_on("news").await;
    ann.expect_nothing().await;
    bo.expect_nothing().await;
}

pub(super) async fn large_counts_are_sent_every_five_seconds(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.settings.subscription_count = true;
            setup.keep_alive = false;
        })
        .await;
    let mut first = server.pusher_on("news").await;
    let mut others = Vec::new();
    for count in 2..=101 {
        others.push(server.pusher_on("news").await);
        told(&mut first, "news", count - 1).await;
    }
    told(&mut first, "news", 101).await;
    for _ in 0..3 {
        others.push(server.pusher_on("news").await);
    }
    first.expect_nothing().await;
    server.clock.advance(Duration::from_secs(4));
    server.service.send_due_counts().await;
    first.expect_nothing().await;
    server.clock.advance(Duration::from_secs(1));
    server.service.send_due_counts().await;
    told(&mut first, "news", 104).await;
    server.clock.advance(Duration::from_secs(10));
    server.service.send_due_counts().await;
    first.expect_nothing().await;
    others.push(server.pusher_on("news").await);
    told(&mut first, "news", 105).await;
}
