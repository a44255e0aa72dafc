//! Connections closed by the server, and shutdown.

use std::sync::Arc;

use pushi::core::hub::CloseReason;
use pushi::core::model::NewApp;
use pushi::core::ports::ClosedBy;
use pushi::core::service::AppError;
use pushi_test_support::{Client, Fault, FaultyStore, TestEnv, publishing};
use serde_json::json;

pub(crate) async fn shutdown_closes_with_4200(env: &TestEnv) {
    let server = env.server().await;
    let mut clients: [Client; 3] = server.clients().await;
    for client in &mut clients {
        client.subscribe("c").await;
    }
    server.publish_transient("c", "before").await;
    server.gateway.stop();
    for mailbox in server.service.hub().mailboxes() {
        mailbox.close(CloseReason::Stopping);
    }
    for client in &mut clients {
        assert_eq!(
            client.expect("call").await.data(),
            "before",
            "what was on its way still comes"
        );
        assert_eq!(client.expect_close().await, 4200);
    }
}

pub(crate) async fn connects_during_shutdown_are_rejected(env: &TestEnv) {
    let server = env.server().await;
    server.gateway.stop();
    let mut late = server.connect(&server.app, None, false).await;
    late.read_greeting().await;
    assert_eq!(late.expect_close().await, 4200);
}

pub(crate) async fn accepted_publishes_are_stored_before_shutdown(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut client = server.subscribed("c").await;
    store.append.set(Fault::Hang);
    for n in 0..20 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    client.expect_nothing().await;
    env.stop.cancel();
    store.append.set(Fault::None);
    let stored = async {
        let name = pushi_test_support::channel("c");
        while env
            .stores
            .events
            .heads(&server.app.ident, std::slice::from_ref(&name))
            .await
            .unwrap()
            != [20]
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(pushi_test_support::PATIENCE, stored)
        .await
        .unwrap();
}

pub(crate) async fn after_the_end_publishes_are_refused(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.subscribed("c").await;
    env.stop.cancel();
    // The append task ends at some point after that; from then on publishes fail at once.
    while server
        .try_publish(publishing(&["c"], "message", "x", true))
        .await
        .is_ok()
    {
        client.expect("message").await;
    }
    client
        .publish("c", "message", json!("x"), json!({"ref": "7"}))
        .await;
    assert_eq!(client.expect_error(4320).await.value["data"]["ref"], "7");
}

pub(crate) async fn a_disabled_app_loses_its_connections(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.subscribed("c").await;
    server.publish_transient("c", "before").await;
    server.set(|settings| settings.enabled = false).await;
    client.expect("call").await;
    client.expect_rejection(4003).await;
    server.set(|settings| settings.enabled = true).await;
    server.subscribed("c").await.expect_nothing().await;
}

pub(crate) async fn a_deleted_app_loses_its_connections(env: &TestEnv) {
    let server = env.server().await;
    let other = server
        .service
        .create_app(NewApp {
            name: "Other".to_owned(),
            ..NewApp::default()
        })
        .await
        .unwrap();
    let mut stranger = server.client_of(&other).await;
    stranger.subscribe("c").await;
    let mut client = server.subscribed("c").await;
    server.service.delete_app(&server.app.ident).await.unwrap();
    client.expect_rejection(4001).await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4001)
        .await;
    stranger.expect_nothing().await;
    // The same identifier and key again: a new app, and nothing of the old one.
    let again = NewApp {
        name: "Again".to_owned(),
        ident: Some(server.app.ident.clone()),
        key: Some(server.app.key.clone()),
        ..NewApp::default()
    };
    let again = server.service.create_app(again).await.unwrap();
    let mut client = server.client_of(&again).await;
    client.subscribe("private-c").await;
    assert_eq!(
        client
            .publish_stored("private-c", "message", json!("x"))
            .await["serial"],
        1
    );
}

pub(crate) async fn changes_by_another_process_apply_within_a_second(env: &TestEnv) {
    let server = env.server().await;
    let other = env.server().await;
    let mut client = server.subscribed("c").await;
    let disable = |app: &mut pushi::core::model::App| {
        app.settings.enabled = false;
        Ok::<(), AppError>(())
    };
    let since = tokio::time::Instant::now();
    other
        .service
        .update_app(&server.app.ident, &disable)
        .await
        .unwrap();
    client.expect_rejection(4003).await;
    assert!(
        since.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    other.service.delete_app(&server.app.ident).await.unwrap();
    let gone = async {
        while server
            .connect(&server.app, None, false)
            .await
            .next()
            .await
            .code()
            != 4001
        {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(1), gone)
        .await
        .unwrap();
}

pub(crate) async fn a_late_store_answer_is_reloaded(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let other = env.server().await;
    store.app_by_key.set(Fault::Hang);
    let mut client = server.connect(&other.app, None, false).await;
    store.app_by_key.called(1).await;
    // The app is disabled, and this node has seen that something changed, before it learns what the app was.
    other.set(|settings| settings.enabled = false).await;
    let looked = store.app_revision.calls();
    store.app_revision.called(looked + 2).await;
    store.app_by_key.set(Fault::None);
    let mut frame = client.next().await;
    if frame.event() == "pusher:connection_established" {
        frame = client.next().await;
    }
    assert_eq!(frame.code(), 4003);
    assert_eq!(client.expect_close().await, 4003);
}

pub(crate) async fn a_disabled_app_keeps_no_connection(env: &TestEnv) {
    let server = env.server().await;
    for round in 0..60 {
        server.set(|settings| settings.enabled = true).await;
        let start = Arc::new(tokio::sync::Barrier::new(5));
        let mut callers = Vec::new();
        for _ in 0..4 {
            let (near, far) = tokio::io::duplex(10_000);
            let (gateway, key, start) = (
                Arc::clone(&server.gateway),
                server.app.key.clone(),
                Arc::clone(&start),
            );
            let serving = tokio::spawn(async move {
                start.wait().await;
                gateway
                    .serve(
                        pushi::inbound::websocket::Destination::Pushi(key),
                        None,
                        false,
                        None,
                        None,
                        far,
                    )
                    .await;
            });
            callers.push((near, serving));
        }
        start.wait().await;
        server.set(|settings| settings.enabled = false).await;
        for (near, serving) in callers {
            let mut client =
                Client::over(near, &server.app, tokio::sync::oneshot::channel().1).await;
            let mut frame = client.next().await;
            if frame.event() == "pusher:connection_established" {
                frame = client.next().await;
            }
            assert_eq!(frame.code(), 4003, "round {round}");
            drop(client);
            serving.await.unwrap();
        }
    }
    assert_eq!(server.service.hub().connections(), 0);
}

/// Each end of a connection is recorded, with who ended it and why.
pub(crate) async fn ends_are_recorded_with_their_reason(env: &TestEnv) {
    let server = env.server().await;
    let app = &server.app.ident;
    let mut member = server.client().await;
    member.join("presence-c", json!({"user_id": "ann"})).await;
    member.close().await;
    server.client().await.abort().await;
    let mut client = server.subscribed("c").await;
    let connections = server
        .service
        .connections(app, Default::default(), None, 10)
        .await
        .unwrap();
    let id = connections.connections[0].id;
    assert_eq!(connections.connections.len(), 1);
    assert!(server.service.close_connection(app, id).await.unwrap());
    client.expect_rejection(4009).await;
    client.abort().await;
    assert!(!server.service.close_connection(app, id).await.unwrap());
    let closed = server
        .service
        .closed_connections(app, None, None, 10)
        .await
        .unwrap()
        .connections;
    let ends: Vec<_> = closed.iter().map(|one| (one.by, one.code)).collect();
    assert_eq!(
        ends,
        [
            (ClosedBy::Server, 4009),
            (ClosedBy::Lost, 1006),
            (ClosedBy::Client, 1005)
        ]
    );
    let users: Vec<_> = closed
        .iter()
        .map(|one| one.user.as_ref().map(|user| user.as_str()))
        .collect();
    assert_eq!(users, [None, None, Some("ann")]);
    assert_eq!(closed[0].id, id);
}
