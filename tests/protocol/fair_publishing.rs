//! Publishes of several apps: bounds in bytes, and turns.

use std::sync::Arc;

use pushi::core::model::{App, AppSettings};
use pushi::core::service::{PublishError, Publishing, Service};
use pushi_test_support::{
    Fault, FaultyStore, TestEnv, TestServer, event_texts, publishing, serials,
};
use serde_json::json;
use tokio::task::JoinHandle;

/// The most bytes of one commit.
const COMMIT: usize = 1 << 20;

fn publish(server: &TestServer<'_>, app: &Arc<App>, publishing: Publishing) -> Publish {
    let (service, app): (Arc<Service>, _) = (Arc::clone(&server.service), Arc::clone(app));
    tokio::spawn(async move { service.publish(&app, publishing).await })
}

type Publish = JoinHandle<Result<(), PublishError>>;

/// Publishes while the store hangs, so that what follows is queued together.
async fn hold(server: &TestServer<'_>, store: &FaultyStore) -> Publish {
    store.append.set(Fault::Hang);
    let calls = store.append.calls();
    let first = publish(server, &server.app, publishing(&["first"], "e", "x", true));
    store.append.called(calls + 1).await;
    first
}

/// Waits until more than these bytes are queued, and returns how many are.
async fn queued_over(server: &TestServer<'_>, bytes: u64) -> u64 {
    loop {
        let queued = server.service.gauges().append_queue_bytes;
        if queued > bytes {
            return queued;
        }
        tokio::task::yield_now().await;
    }
}

fn many(count: usize, bytes: usize) -> Publishing {
    let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    publishing(&names, "large", &"x".repeat(bytes), true)
}

pub(crate) async fn a_large_publish_is_stored_in_parts_between_which_others_are(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let other = server.other_app(AppSettings::default()).await;
    let first = hold(&server, &store).await;
    let large = publish(&server, &server.app, many(50, 248_000));
    let queued = queued_over(&server, 0).await;
    let small = publish(&server, &other, publishing(&["small"], "e", "hello", true));
    queued_over(&server, queued).await;
    store.append.set(Fault::None);
    for publish in [first, small, large] {
        publish.await.unwrap().unwrap();
    }
    let commits = store.appended.lock().clone();
    let place = commits
        .iter()
        .position(|commit| commit.iter().any(|(app, _)| *app == other.ident));
    assert!(place <= Some(2), "behind at most one part: {place:?}");
    assert!(commits.len() >= 4, "{}", commits.len());
    for commit in &commits {
        let bytes: usize = commit.iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes <= COMMIT, "{bytes}");
    }
    let stored: usize = commits.iter().map(Vec::len).sum();
    assert_eq!(stored, 52, "each once");
    let mut client = server.client().await;
    client.subscribe("c49").await;
    let state = client.query(json!({"channel": "c49"})).await;
    assert_eq!(event_texts(&state)[0].len(), 248_000);
}

pub(crate) async fn publishes_over_an_apps_bound_are_refused_and_others_are_not(env: &TestEnv) {
    let store = FaultyStore::over(&env.stores);
    let server = env
        .server_with(|setup| {
            setup.ports.stores.events = store.clone();
            setup.rules.limits.queued_bytes = 10_000;
        })
        .await;
    let other = server.other_app(AppSettings::default()).await;
    let mut client = server.subscribed("c").await;
    let first = hold(&server, &store).await;
    // Nine of them fit.
    let texts: Vec<String> = (0..30).map(|number| format!("{number:0600}")).collect();
    for text in &texts {
        client
            .publish("c", "e", json!(text), json!({"ref": text[590..]}))
            .await;
    }
    let (accepted, refused) = texts.split_at(9);
    for text in refused {
        let frame = client.expect_error(4301).await;
        assert!(
            frame.message().contains("PUSHI_MAX_QUEUED_BYTES"),
            "{frame:?}"
        );
        assert_eq!(frame.value["data"]["ref"], json!(text[590..]));
    }
    let over = publish(
        &server,
        &server.app,
        publishing(&["c"], "e", &texts[0], true),
    );
    assert!(matches!(over.await.unwrap(), Err(PublishError::QueueFull)));
    let small = publish(&server, &other, publishing(&["small"], "e", "hello", true));
    store.append.set(Fault::None);
    first.await.unwrap().unwrap();
    small.await.unwrap().unwrap();
    for text in accepted {
        let frame = client.expect("pusher_internal:published").await;
        assert!(frame.text.contains(&text[590..]), "{frame:?}");
    }
    let state = client.query(json!({"channel": "c", "count": 100})).await;
    let stored: Vec<&str> = event_texts(&state).into_iter().rev().collect();
    assert_eq!(stored, accepted, "what was accepted is stored, in order");
    assert!(
        serials(&state)
            .windows(2)
            .all(|pair| pair[0] == pair[1] + 1)
    );
    let line = format!(
        "pushi_queue_refused_total{{app=\"{}\",queue=\"append\"}} {}",
        server.app.ident,
        refused.len() + 1
    );
    assert!(server.metrics().contains(&line), "{line}");
    assert!(
        server
            .metrics()
            .contains("pushi_queue_bytes{queue=\"append\"} 0")
    );
}

pub(crate) async fn a_publish_above_the_bound_is_accepted_where_nothing_waits(env: &TestEnv) {
    let store = FaultyStore::over(&env.stores);
    let server = env
        .server_with(|setup| {
            setup.ports.stores.events = store.clone();
            setup.rules.limits.queued_bytes = 10_000;
        })
        .await;
    let first = hold(&server, &store).await;
    let large = publish(&server, &server.app, many(100, 1000));
    queued_over(&server, 0).await;
    let next = publish(&server, &server.app, publishing(&["c"], "e", "x", true));
    assert!(matches!(next.await.unwrap(), Err(PublishError::QueueFull)));
    store.append.set(Fault::None);
    first.await.unwrap().unwrap();
    large.await.unwrap().unwrap();
}

pub(crate) async fn a_large_publish_that_fails_between_parts_can_be_repeated(env: &TestEnv) {
    let (server, store) = FaultyStore::server(env).await;
    let mut publishing = many(50, 248_000);
    publishing.idempotency_key = Some("key".to_owned());
    let first = hold(&server, &store).await;
    let large = publish(&server, &server.app, publishing.clone());
    queued_over(&server, 0).await;
    let calls = store.append.calls();
    store.append.set(Fault::None);
    first.await.unwrap().unwrap();
    store.append.called(calls + 1).await;
    store.append.set(Fault::Unavailable);
    let outcome = large.await.unwrap();
    store.append.set(Fault::None);
    if outcome.is_ok() {
        // Both parts were faster than the switch.
        return;
    }
    assert!(matches!(outcome, Err(PublishError::Storage(_))));
    server.publish_until_stored("recovered").await;
    server.try_publish(publishing).await.unwrap();
    for name in ["c0", "c17", "c49"] {
        let mut client = server.subscribed(name).await;
        let state = client.query(json!({"channel": name})).await;
        assert_eq!(serials(&state), [1], "{name}: stored once");
    }
}
