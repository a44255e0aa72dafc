//! Credentials that move to another app, and apps that are created again with the ident of a deleted one.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::model::{App, NewApp, Secret};
use pushi::core::ports::ReadLimit;
use pushi::core::service::{LoginError, Publishing};
use pushi_test_support::{TestEnv, TestServer, channel, publishing, until};

fn keyed(key: &str, text: &str) -> Publishing {
    Publishing {
        idempotency_key: Some(key.to_owned()),
        ..publishing(&["c", "cache-c"], "message", text, true)
    }
}

/// Deletes the app by one server and creates it again with all its credentials.
async fn create_again(by: &TestServer<'_>, app: &App) -> Arc<App> {
    by.service.delete_app(&app.ident).await.unwrap();
    let new = NewApp {
        name: "Again".to_owned(),
        ident: Some(app.ident.clone()),
        key: Some(app.key.clone()),
        secret: Some(Secret::new(app.secret.expose())),
        ..NewApp::default()
    };
    by.service.create_app(new).await.unwrap()
}

/// Whether a key leads to an app on this server.
async fn leads_to(server: &TestServer<'_>, key: &str, app: &Arc<App>) -> bool {
    let mut client = server.connect_with_key(app, key, None, false).await;
    if client.next().await.event() != "pusher:connection_established" {
        return false;
    }
    client.subscribe("c").await;
    let event = publishing(&["c"], "own", "", false);
    server.service.publish(app, event).await.unwrap();
    client
        .send(serde_json::json!({"event": "pusher:ping"}))
        .await;
    client.next().await.event() == "own"
}

pub(crate) async fn a_key_that_moves_leads_to_its_new_app(env: &TestEnv) {
    let (server, other) = (env.server().await, env.server().await);
    let key = server.app.key.clone();
    other
        .service
        .adopt_credentials(&server.app.ident, "another-key", &server.app.secret, None)
        .await
        .unwrap();
    let new = NewApp {
        name: "New".to_owned(),
        key: Some(key.clone()),
        ..NewApp::default()
    };
    let new = other.service.create_app(new).await.unwrap();
    // The server reads the new app before it notices that the other one has lost the key.
    server.service.app(&new.ident).await.unwrap();
    let moved = until("the key has not moved", async || {
        leads_to(&server, "another-key", &server.app).await
    });
    tokio::time::timeout(Duration::from_secs(5), moved)
        .await
        .unwrap();
    assert!(leads_to(&server, &key, &new).await);
}

pub(crate) async fn an_app_created_again_shares_nothing(env: &TestEnv) {
    let (server, other) = (env.server().await, env.server().await);
    let mut app = Arc::clone(&server.app);
    for (by, key) in [(&server, "k1"), (&other, "k2"), (&server, "k3")] {
        let mut client = server.client_of(&app).await;
        client.subscribe("c").await;
        let token = server
            .service
            .create_session(&app.ident)
            .await
            .unwrap()
            .text;
        assert_eq!(server.service.session(&token).await.unwrap().app.id, app.id);
        server
            .service
            .publish(&app, keyed(key, "old"))
            .await
            .unwrap();
        assert_eq!(client.expect("message").await.data(), "old");

        let again = create_again(by, &app).await;
        // Another node notices within a second, or when it reads the app.
        assert_eq!(server.service.app(&app.ident).await.unwrap().id, again.id);
        let refused = server.service.session(&token).await;
        assert!(matches!(refused, Err(LoginError::Session)));
        let _code = client.expect("pusher:error").await;
        let mut client = server.client_of(&again).await;
        client.subscribe("c").await;
        let cached = env
            .stores
            .cache
            .last(&again.ident, &channel("cache-c"))
            .await;
        assert_eq!(cached.unwrap(), None);
        server
            .service
            .publish(&again, keyed(key, "new"))
            .await
            .unwrap();
        let event = client.expect("message").await;
        assert_eq!((event.data(), event.serial()), ("new", 1));
        app = again;
    }
}

pub(crate) async fn a_key_used_with_the_predecessor_is_not_lost(env: &TestEnv) {
    let (server, other) = (env.server().await, env.server().await);
    let old = Arc::clone(&server.app);
    server
        .service
        .publish(&old, keyed("k", "old"))
        .await
        .unwrap();
    let again = create_again(&other, &old).await;
    // A request that was admitted before the server noticed: it is stored, or its publisher is notified.
    let late = server.service.publish(&old, keyed("k", "late")).await;
    let stored = env
        .stores
        .events
        .recent(&again.ident, None, ReadLimit::events(10))
        .await
        .unwrap();
    assert_eq!(late.is_ok(), !stored.is_empty(), "{late:?}");
}
