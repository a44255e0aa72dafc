//! What waits outlives the server.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::service::Service;
use serde_json::json;
use tokio::sync::Notify;

use super::receiver::Receiver;
use super::{hook, telling_house_with};
use crate::env::Site;
use crate::server::Setup;

/// A further server over the same store, that tells what waits there once so much time has passed.
fn next(site: &Site, later: Duration) {
    let setup = Setup::over(&site.stores);
    setup.clock.forward(later);
    let (service, stop) = (
        Arc::new(Service::new(setup.ports, setup.rules, setup.hub).unwrap()),
        site.stop.clone(),
    );
    site.spawn(async move { service.parts().sender.run(stop.cancelled()).await });
}

pub async fn what_was_recorded_is_told_after_a_restart(site: &Site) {
    let mut receiver = Receiver::start().await;
    let house = telling_house_with(site, vec![hook(&receiver.url)], |setup| {
        setup.delivers = false
    })
    .await;
    let _ann = house.pusher_on("news").await;
    house.waiting(1).await;
    next(site, Duration::from_secs(1));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
    house.waiting(0).await;
}

pub async fn what_was_under_way_is_told_after_a_restart(site: &Site) {
    let mut receiver = Receiver::start().await;
    let house = telling_house_with(site, vec![hook(&receiver.url)], |setup| {
        setup.delivers = false
    })
    .await;
    let _ann = house.pusher_on("news").await;
    house.waiting(1).await;
    // A node that is killed when it has the claim, and says nothing any more.
    let now = house.clock_now();
    let claims = site
        .stores
        .outbox
        .claim("alone", now, now.plus(Duration::from_secs(3600)), 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    next(site, Duration::from_secs(1));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}

pub async fn another_nodes_claim_is_respected_until_it_ends(site: &Site) {
    let mut receiver = Receiver::start().await;
    let house = telling_house_with(site, vec![hook(&receiver.url)], |setup| {
        setup.delivers = false
    })
    .await;
    let _ann = house.pusher_on("news").await;
    house.waiting(1).await;
    let now = house.clock_now();
    let claims = site
        .stores
        .outbox
        .claim("killed", now, now.plus(Duration::from_secs(20)), 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    let stopped = Arc::new(Notify::new());
    let (service, stop) = (Arc::clone(&house.service), Arc::clone(&stopped));
    let sender = tokio::spawn(async move { service.parts().sender.run(stop.notified()).await });
    stopped.notify_one();
    sender.await.unwrap();
    assert!(receiver.is_quiet(), "the claim is another's");
    next(site, Duration::from_secs(21));
    assert_eq!(
        receiver.told(1).await,
        [json!({"name": "channel_occupied", "channel": "news"})]
    );
}
