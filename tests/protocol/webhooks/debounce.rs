//! The grace period: a reconnect within three seconds is not reported. On a paused clock.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::hub::{ConnectionOrigin, SubscribedVia};
use pushi::core::model::{App, AppSettings, OutboxEvent, OutboxEventKind};
use pushi::core::ports::DialectId;
use pushi::core::service::{AppError, Service};
use pushi_test_support::{Fault, FaultyStore, ServerSetup, TestEnv, TestServer, channel, user};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{hook, outbox, webhook_server_with};

const HOOK: &str = "http://127.0.0.1:9/";

/// A server that records events and sends none.
async fn server(env: &TestEnv) -> TestServer<'_> {
    webhook_server_with(env, vec![hook(HOOK)], |setup| setup.send_webhooks = false).await
}

/// Lets time pass; all due work is done afterwards.
async fn pass(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

pub(super) async fn an_absence_of_three_seconds_is_reported(env: &TestEnv) {
    let server = server(env).await;
    let mut ann = server.pusher_on("news").await;
    pass(10).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news"],
        "at once"
    );
    ann.unsubscribe("news").await;
    ann.expect_nothing().await;
    pass(2900).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news"]
    );
    pass(200).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news", "channel_vacated news"]
    );
    ann.subscribe("news").await;
    pass(10).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        [
            "channel_occupied news",
            "channel_vacated news",
            "channel_occupied news"
        ]
    );
}

pub(super) async fn a_reconnect_in_time_is_not_reported(env: &TestEnv) {
    let server = server(env).await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    ann.0.close().await;
    pass(2900).await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(60_000).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied presence-x", "member_added presence-x ann"]
    );
}

pub(super) async fn leaving_again_begins_anew(env: &TestEnv) {
    let server = server(env).await;
    let mut ann = server.pusher().await;
    for _ in 0..5 {
        ann.subscribe("news").await;
        pass(1000).await;
        ann.unsubscribe("news").await;
        ann.expect_nothing().await;
        pass(2900).await;
    }
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news"]
    );
    pass(200).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news", "channel_vacated news"]
    );
}

pub(super) async fn members_leave_before_their_channel_is_vacated(env: &TestEnv) {
    let server = server(env).await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    let mut bo = server.client().await;
    bo.join("presence-x", json!({"user_id": "bo"})).await;
    ann.0.close().await;
    bo.close().await;
    pass(3100).await;
    let expected = [
        "channel_occupied presence-x",
        "member_added presence-x ann",
        "member_added presence-x bo",
        "member_removed presence-x ann",
        "member_removed presence-x bo",
        "channel_vacated presence-x",
    ];
    assert_eq!(outbox(&env.stores, &server).await, expected);
    assert_eq!(server.reported_presence().await, []);
}

pub(super) async fn a_user_with_another_connection_has_not_left(env: &TestEnv) {
    let server = server(env).await;
    let [mut one, mut two] = server.pushers().await;
    one.join("presence-x", json!({"user_id": "ann"})).await;
    two.join("presence-x", json!({"user_id": "ann"})).await;
    one.0.close().await;
    pass(10_000).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied presence-x", "member_added presence-x ann"]
    );
}

/// Another server over the same store, after the one before was killed.
fn next(env: &TestEnv) -> ServerSetup {
    let mut setup = ServerSetup::over(&env.stores);
    (setup.record_webhooks, setup.send_webhooks) = (true, false);
    setup
}

/// Runs what a server does about webhooks.
fn run(env: &TestEnv, setup: ServerSetup) -> Arc<Service> {
    let service = Arc::new(Service::new(setup.ports, setup.rules, setup.hub).unwrap());
    let (recorder, reviewer) = (Arc::clone(&service), Arc::clone(&service));
    let (stop_recorder, stop_reviewer) = (env.stop.clone(), env.stop.clone());
    env.spawn(async move {
        recorder
            .parts()
            .webhooks
            .run(stop_recorder.cancelled())
            .await
    });
    env.spawn(async move {
        reviewer
            .parts()
            .reconciler
            .run(stop_reviewer.cancelled())
            .await
    });
    service
}

pub(super) async fn a_killed_nodes_channels_are_vacated_at_its_next_start(env: &TestEnv) {
    let server = server(env).await;
    // What this one had stays in the store, as where a process is killed.
    let mut ann = server.pusher().await;
    ann.subscribe("news").await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(10).await;
    let told = outbox(&env.stores, &server).await;
    assert_eq!(told.len(), 3, "{told:?}");
    run(env, next(env));
    pass(2900).await;
    assert_eq!(outbox(&env.stores, &server).await, told);
    pass(200).await;
    let rest = outbox(&env.stores, &server).await.split_off(3);
    assert_eq!(
        rest,
        [
            "member_removed presence-x ann",
            "channel_vacated presence-x",
            "channel_vacated news"
        ]
    );
    assert_eq!(server.reported_presence().await, []);
}

pub(super) async fn a_reconnect_after_a_restart_is_not_reported(env: &TestEnv) {
    let old = server(env).await;
    let _ann = old.pusher_on("news").await;
    let _bo = old.pusher_on("lost").await;
    pass(10).await;
    let setup = next(env);
    let hub = Arc::clone(&setup.hub);
    run(env, setup);
    let connection = hub
        .connect(
            &old.app,
            DialectId::Pusher,
            (0, 0),
            1024,
            ConnectionOrigin::default(),
        )
        .unwrap();
    connection.subscribe(&channel("news"), SubscribedVia::Client, None);
    pass(10_000).await;
    let told = outbox(&env.stores, &old).await;
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
async fn survivor(env: &TestEnv) -> TestServer<'_> {
    webhook_server_with(env, vec![hook(HOOK)], |setup| {
        (setup.send_webhooks, setup.rules.webhooks.single_node) = (false, false)
    })
    .await
}

pub(super) async fn a_survivor_reports_the_members_of_a_dead_node(env: &TestEnv) {
    let server = survivor(env).await;
    let mut ann = server.pusher_on("stays").await;
    // As the other node wrote it before it died.
    let (app, at) = (server.app.ident.clone(), server.clock_now());
    let happening = |name: &str, kind| OutboxEvent {
        app: app.clone(),
        channel: channel(name),
        at,
        kind,
        addresses: [HOOK.into()].into(),
    };
    let left = [
        happening("presence-x", OutboxEventKind::Occupied),
        happening("presence-x", OutboxEventKind::MemberAdded(user("bo"))),
    ];
    env.stores.outbox.put(&left).await.unwrap();
    env.stores
        .outbox
        .put(&[happening("back", OutboxEventKind::Occupied)])
        .await
        .unwrap();
    pass(20).await;
    ann.subscribe("back").await;
    pass(14_000).await;
    let told = outbox(&env.stores, &server).await.split_off(4);
    assert_eq!(
        told,
        ["member_removed presence-x bo", "channel_vacated presence-x"],
        "who is there, with whichever node, stays"
    );
}

pub(super) async fn a_survivor_reports_what_a_dead_node_did_not(env: &TestEnv) {
    let server = survivor(env).await;
    let connection = server
        .service
        .hub()
        .connect(
            &server.app,
            DialectId::Pusher,
            (0, 0),
            1024,
            ConnectionOrigin::default(),
        )
        .unwrap();
    connection.subscribe(&channel("news"), SubscribedVia::Client, None);
    // Changed webhooks are handled at once, and do not delay the comparison of all apps.
    let other = server.other_app(AppSettings::default()).await;
    for webhooks in [vec![hook(HOOK)], Vec::new()] {
        let change = |app: &mut App| {
            app.settings.webhooks.clone_from(&webhooks);
            Ok::<(), AppError>(())
        };
        let changed = server.service.update_app(&other.ident, &change);
        changed.await.unwrap();
        pass(5_050).await;
    }
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news"]
    );
}

pub(super) async fn a_stop_leaves_it_to_the_next_start(env: &TestEnv) {
    let stopped = Arc::new(Notify::new());
    let server = webhook_server_with(env, vec![hook(HOOK)], |setup| {
        (setup.record_webhooks, setup.send_webhooks) = (false, false)
    })
    .await;
    let (recorder, stop) = (Arc::clone(&server.service), Arc::clone(&stopped));
    let recording =
        tokio::spawn(async move { recorder.parts().webhooks.run(stop.notified()).await });
    let ann = server.pusher_on("news").await;
    ann.0.close().await;
    stopped.notify_one();
    recording.await.unwrap();
    assert_eq!(
        outbox(&env.stores, &server).await,
        ["channel_occupied news"]
    );
    assert_eq!(
        server.reported_presence().await.len(),
        1,
        "who left a moment ago is still remembered"
    );
}

pub(super) async fn webhooks_set_later_get_member_removed(env: &TestEnv) {
    let server = webhook_server_with(env, Vec::new(), |setup| setup.send_webhooks = false).await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    server
        .set(|settings| settings.webhooks = vec![hook(HOOK)])
        .await;
    pass(1000).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        Vec::<String>::new(),
        "who is there already is no news"
    );
    ann.0.close().await;
    pass(3100).await;
    assert_eq!(
        outbox(&env.stores, &server).await,
        [
            "member_removed presence-x ann",
            "channel_vacated presence-x"
        ]
    );
    // Without webhooks nothing is remembered.
    let _bo = server.pusher_on("news").await;
    pass(1000).await;
    server.set(|settings| settings.webhooks.clear()).await;
    pass(1000).await;
    assert_eq!(server.reported_presence().await, []);
}

pub(super) async fn an_outage_of_the_store_loses_nothing(env: &TestEnv) {
    let faulty = FaultyStore::over(&env.stores);
    faulty.outbox_put.set(Fault::Unavailable);
    let port = Arc::clone(&faulty);
    let server = webhook_server_with(env, vec![hook(HOOK)], |setup| {
        (setup.send_webhooks, setup.ports.stores.outbox) = (false, port)
    })
    .await;
    let mut ann = server.pusher().await;
    ann.join("presence-x", json!({"user_id": "ann"})).await;
    pass(5000).await;
    ann.0.close().await;
    // A put that succeeds but is reported as failed is not repeated.
    faulty.outbox_put.set(Fault::FailAfterWrite);
    pass(5000).await;
    faulty.outbox_put.set(Fault::None);
    pass(5000).await;
    let expected = [
        "channel_occupied presence-x",
        "member_added presence-x ann",
        "member_removed presence-x ann",
        "channel_vacated presence-x",
    ];
    assert_eq!(outbox(&env.stores, &server).await, expected);
}
