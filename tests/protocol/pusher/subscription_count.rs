//! How many are on a channel.

use std::time::Duration;

use serde_json::json;

use super::client::Pusher;
use crate::env::Site;

async fn told(client: &mut Pusher, channel: &str, count: u64) {
    let data = client
        .internal("pusher_internal:subscription_count", channel)
        .await;
    assert_eq!(data, json!({"subscription_count": count}));
}

pub async fn every_subscriber_is_told_how_many_they_are(site: &Site) {
    let house = site
        .house_with(|setup| setup.settings.subscription_count = true)
        .await;
    let mut ann = house.pusher_on("news").await;
    let text = r#"{"event":"pusher_internal:subscription_count","channel":"news","data":"{\"subscription_count\":1}"}"#;
    assert_eq!(ann.next().await.text, text);
    let mut bo = house.pusher_on("news").await;
    told(&mut ann, "news", 2).await;
    told(&mut bo, "news", 2).await;
    // Again is no change.
    bo.subscribe("news").await;
    bo.quiet().await;
    bo.unsubscribe("news").await;
    told(&mut ann, "news", 1).await;
    bo.quiet().await;
    let cy = house.pusher_on("news").await;
    told(&mut ann, "news", 2).await;
    cy.0.ended().await;
    told(&mut ann, "news", 1).await;
}

pub async fn only_where_the_app_wants_it(site: &Site) {
    let house = site.house().await;
    let mut ann = house.pusher_on("news").await;
    let mut bo = house.pusher_on("news").await;
    ann.quiet().await;
    bo.quiet().await;
}

pub async fn many_are_told_every_five_seconds(site: &Site) {
    let house = site
        .house_with(|setup| {
            setup.settings.subscription_count = true;
            setup.keeps = false;
        })
        .await;
    let mut first = house.pusher_on("news").await;
    let mut others = Vec::new();
    for count in 2..=101 {
        others.push(house.pusher_on("news").await);
        told(&mut first, "news", count - 1).await;
    }
    told(&mut first, "news", 101).await;
    for _ in 0..3 {
        others.push(house.pusher_on("news").await);
    }
    first.quiet().await;
    house.clock.forward(Duration::from_secs(4));
    house.service.send_due_counts().await;
    first.quiet().await;
    house.clock.forward(Duration::from_secs(1));
    house.service.send_due_counts().await;
    told(&mut first, "news", 104).await;
    house.clock.forward(Duration::from_secs(10));
    house.service.send_due_counts().await;
    first.quiet().await;
    others.push(house.pusher_on("news").await);
    told(&mut first, "news", 105).await;
}
