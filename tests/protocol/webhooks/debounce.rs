//! Who comes back within three seconds was never away: on a clock that jumps from one thing to do to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pushi::core::hub::SubscribedVia;
use pushi::core::model::{OutboxEvent, OutboxEventKind};
use pushi::core::ports::DialectId;
use pushi::core::service::Service;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::faulty_outbox::Shaky;
use super::{hook, outbox, telling_house_with};
use crate::env::Site;
use crate::server::{House, Setup, channel, user};

const HOOK: &str = "http://127.0.0.1:9/";

/// A server that writes what happened and tells nobody.
async fn house(site: &Site) -> House<'_> {
    telling_house_with(site, vec![hook(HOOK)], |setup| setup.delivers = false).await
}

/// Lets time pass; what there is to do is done by then.
async fn pass(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

pub async fn who_is_gone_for_three_seconds_has_left(site: &Site) {
    let house = house(site).await;
    let mut ann = house.pusher_on("news").await;
    pass(10).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news"],
        "at once"
    );
    ann.unsubscribe("news").await;
    ann.quiet().await;
    pass(2900).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news"]
    );
    pass(200).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news", "channel_vacated news"]
    );
    ann.subscribe("news").await;
    pass(10).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        [
            "channel_occupied news",
            "channel_vacated news",
            "channel_occupied news"
        ]
    );
}

pub async fn who_comes_back_in_time_was_never_away(site: &Site) {
    let house = house(site).await;
    let mut ann = house.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    ann.0.leave().await;
    pass(2900).await;
    let mut ann = house.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(60_000).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied presence-x", "member_added presence-x ann"]
    );
}

pub async fn leaving_again_begins_anew(site: &Site) {
    let house = house(site).await;
    let mut ann = house.pusher().await;
    for _ in 0..5 {
        ann.subscribe("news").await;
        pass(1000).await;
        ann.unsubscribe("news").await;
        ann.quiet().await;
        pass(2900).await;
    }
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news"]
    );
    pass(200).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news", "channel_vacated news"]
    );
}

pub async fn members_leave_before_their_channel_is_vacated(site: &Site) {
    let house = house(site).await;
    let mut ann = house.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    let mut bo = house.client().await;
    bo.join("presence-x", json!({"user_id": "bo"})).await;
    ann.0.leave().await;
    bo.leave().await;
    pass(3100).await;
    let expected = [
        "channel_occupied presence-x",
        "member_added presence-x ann",
        "member_added presence-x bo",
        "member_removed presence-x ann",
        "member_removed presence-x bo",
        "channel_vacated presence-x",
    ];
    assert_eq!(outbox(&site.stores, &house).await, expected);
    assert_eq!(house.marks().await, []);
}

pub async fn a_user_with_another_connection_has_not_left(site: &Site) {
    let house = house(site).await;
    let [mut one, mut two] = house.pushers().await;
    one.join("presence-x", json!({"user_id": "ann"})).await;
    two.join("presence-x", json!({"user_id": "ann"})).await;
    one.0.leave().await;
    pass(10_000).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied presence-x", "member_added presence-x ann"]
    );
}

/// Another server over the same store, after the one before was killed.
fn next(site: &Site) -> Setup {
    let mut setup = Setup::over(&site.stores);
    (setup.records, setup.delivers) = (true, false);
    setup
}

/// Runs what a server does about webhooks.
fn run(site: &Site, setup: Setup) -> Arc<Service> {
    let service = Arc::new(Service::new(setup.ports, setup.rules, setup.hub).unwrap());
    let (recorder, reviewer) = (Arc::clone(&service), Arc::clone(&service));
    let (stop_recorder, stop_reviewer) = (site.stop.clone(), site.stop.clone());
    site.spawn(async move {
        recorder
            .parts()
            .webhooks
            .run(stop_recorder.cancelled())
            .await
    });
    site.spawn(async move {
        reviewer
            .parts()
            .reconciler
            .run(stop_reviewer.cancelled())
            .await
    });
    service
}

pub async fn a_killed_nodes_channels_are_vacated_at_its_next_start(site: &Site) {
    let house = house(site).await;
    // What this one had stays in the store, as where a process is killed.
    let mut ann = house.pusher().await;
    ann.subscribe("news").await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(10).await;
    let told = outbox(&site.stores, &house).await;
    assert_eq!(told.len(), 3, "{told:?}");
    run(site, next(site));
    pass(2900).await;
    assert_eq!(outbox(&site.stores, &house).await, told);
    pass(200).await;
    let rest = outbox(&site.stores, &house).await.split_off(3);
    assert_eq!(
        rest,
        [
            "member_removed presence-x ann",
            "channel_vacated presence-x",
            "channel_vacated news"
        ]
    );
    assert_eq!(house.marks().await, []);
}

pub async fn who_comes_back_after_the_restart_was_never_away(site: &Site) {
    let old = house(site).await;
    let _ann = old.pusher_on("news").await;
    let _bo = old.pusher_on("lost").await;
    pass(10).await;
    let setup = next(site);
    let hub = Arc::clone(&setup.hub);
    run(site, setup);
    let connection = hub
        .connect(&old.app, DialectId::Pusher, (0, 0), 1024)
        .unwrap();
    connection.subscribe(&channel("news"), SubscribedVia::Client, None);
    pass(10_000).await;
    let told = outbox(&site.stores, &old).await;
    assert_eq!(
        told,
        [
            "channel_occupied news",
            "channel_occupied lost",
            "channel_vacated lost"
        ]
    );
}

/// A server beside which there are others.
async fn survivor(site: &Site) -> House<'_> {
    telling_house_with(site, vec![hook(HOOK)], |setup| {
        (setup.delivers, setup.rules.webhooks.single_node) = (false, false)
    })
    .await
}

pub async fn what_a_dead_node_left_is_told_by_a_survivor(site: &Site) {
    let house = survivor(site).await;
    let mut ann = house.pusher_on("stays").await;
    // As the other node wrote it before it died.
    let (app, at) = (house.app.ident.clone(), house.clock_now());
    let happening = |name: &str, what| OutboxEvent {
        app: app.clone(),
        channel: channel(name),
        at,
        what,
        addresses: vec![HOOK.into()],
    };
    let left = [
        happening("presence-x", OutboxEventKind::Occupied),
        happening("presence-x", OutboxEventKind::MemberAdded(user("bo"))),
    ];
    site.stores.outbox.put(&left).await.unwrap();
    site.stores
        .outbox
        .put(&[happening("back", OutboxEventKind::Occupied)])
        .await
        .unwrap();
    pass(20).await;
    ann.subscribe("back").await;
    pass(14_000).await;
    let told = outbox(&site.stores, &house).await.split_off(4);
    assert_eq!(
        told,
        ["member_removed presence-x bo", "channel_vacated presence-x"],
        "who is there, with whichever node, stays"
    );
}

pub async fn what_a_dead_node_did_not_tell_is_told_by_a_survivor(site: &Site) {
    let house = survivor(site).await;
    let connection = house
        .service
        .hub()
        .connect(&house.app, DialectId::Pusher, (0, 0), 1024)
        .unwrap();
    connection.subscribe(&channel("news"), SubscribedVia::Client, None);
    pass(10_100).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news"]
    );
}

pub async fn a_stop_leaves_it_to_the_next_start(site: &Site) {
    let stopped = Arc::new(Notify::new());
    let house = telling_house_with(site, vec![hook(HOOK)], |setup| {
        (setup.records, setup.delivers) = (false, false)
    })
    .await;
    let (recorder, stop) = (Arc::clone(&house.service), Arc::clone(&stopped));
    let recording =
        tokio::spawn(async move { recorder.parts().webhooks.run(stop.notified()).await });
    let ann = house.pusher_on("news").await;
    ann.0.leave().await;
    stopped.notify_one();
    recording.await.unwrap();
    assert_eq!(
        outbox(&site.stores, &house).await,
        ["channel_occupied news"]
    );
    assert_eq!(
        house.marks().await.len(),
        1,
        "who left a moment ago is still remembered"
    );
}

pub async fn webhooks_that_are_set_later_hear_who_leaves(site: &Site) {
    let house = telling_house_with(site, Vec::new(), |setup| setup.delivers = false).await;
    let mut ann = house.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    house
        .set(|settings| settings.webhooks = vec![hook(HOOK)])
        .await;
    pass(1000).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        Vec::<String>::new(),
        "who is there already is no news"
    );
    ann.0.leave().await;
    pass(3100).await;
    assert_eq!(
        outbox(&site.stores, &house).await,
        [
            "member_removed presence-x ann",
            "channel_vacated presence-x"
        ]
    );
    // Without webhooks nothing is remembered.
    let _bo = house.pusher_on("news").await;
    pass(1000).await;
    house.set(|settings| settings.webhooks.clear()).await;
    pass(1000).await;
    assert_eq!(house.marks().await, []);
}

pub async fn a_store_that_is_away_loses_nothing(site: &Site) {
    let outbox_of_store = Arc::clone(&site.stores.outbox);
    let shaky = Arc::new(Shaky {
        inner: outbox_of_store,
        away: AtomicBool::new(true),
        unsure: AtomicBool::new(false),
    });
    let port = Arc::clone(&shaky);
    let house = telling_house_with(site, vec![hook(HOOK)], |setup| {
        (setup.delivers, setup.ports.stores.outbox) = (false, port)
    })
    .await;
    let mut ann = house.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(5000).await;
    ann.0.leave().await;
    // What it then does without saying so is not done twice.
    shaky.unsure.store(true, Ordering::SeqCst);
    pass(5000).await;
    shaky.away.store(false, Ordering::SeqCst);
    pass(5000).await;
    let expected = [
        "channel_occupied presence-x",
        "member_added presence-x ann",
        "member_removed presence-x ann",
        "channel_vacated presence-x",
    ];
    assert_eq!(outbox(&site.stores, &house).await, expected);
}
