//! Watchlists: online and offline events.

use pushi_test_support::{PusherClient, TestEnv, TestServer};
use serde_json::{Value, json};

async fn watching(server: &TestServer<'_>, user: &str, watchlist: Value) -> PusherClient {
    let mut client = server.pusher().await;
    client
        .sign_in(json!({"id": user, "watchlist": watchlist}))
        .await;
    client
}

/// The next frame's events.
async fn told(client: &mut PusherClient) -> Value {
    client
        .expect("pusher_internal:watchlist_events")
        .await
        .inner()["events"]
        .clone()
}

pub(super) async fn subscribing_returns_the_members(env: &TestEnv) {
    let server = env.server().await;
    let _u2 = server.signed_in("u2").await;
    let mut u1 = watching(&server, "u1", json!(["u2", "u3", "u2", "u1"])).await;
    let frame = u1.next().await;
    let data = r#"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"u2\",\"u1\"]},{\"name\":\"offline\",\"user_ids\":[\"u3\"]}]}"#;
    assert_eq!(
        frame.text,
        format!(r#"{{"event":"pusher_internal:watchlist_events","data":"{data}"}}"#)
    );
    let mut all = watching(&server, "u4", json!(["u2"])).await;
    assert_eq!(
        told(&mut all).await,
        json!([{"name": "online", "user_ids": ["u2"]}])
    );
    let mut none = watching(&server, "u5", json!([])).await;
    none.expect_nothing().await;
}

pub(super) async fn changes_are_announced(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = watching(&server, "u1", json!(["u2"])).await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "offline", "user_ids": ["u2"]}])
    );
    let u2 = server.signed_in("u2").await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "online", "user_ids": ["u2"]}])
    );
    let _stranger = server.signed_in("u3").await;
    watcher.expect_nothing().await;
    u2.0.abort().await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "offline", "user_ids": ["u2"]}])
    );
}

pub(super) async fn only_the_first_and_the_last_connection_count(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = watching(&server, "u1", json!(["u2"])).await;
    told(&mut watcher).await;
    let first = server.signed_in("u2").await;
    told(&mut watcher).await;
    let mut second = server.signed_in("u2").await;
    second.sign_in(json!({"id": "u2"})).await;
    first.0.abort().await;
    watcher.expect_nothing().await;
    second.0.abort().await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "offline", "user_ids": ["u2"]}])
    );
}

pub(super) async fn only_the_first_hundred_are_watched(env: &TestEnv) {
    let server = env.server().await;
    let users: Vec<String> = (0..101).map(|number| format!("u{number}")).collect();
    let mut watcher = watching(&server, "w", json!(users)).await;
    watcher.expect_error(4302).await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "offline", "user_ids": users[..100]}])
    );
    let _not_watched = server.signed_in("u100").await;
    let _watched = server.signed_in("u99").await;
    assert_eq!(
        told(&mut watcher).await,
        json!([{"name": "online", "user_ids": ["u99"]}])
    );
    let mut fits = watching(&server, "x", json!(users[..100])).await;
    told(&mut fits).await;
    fits.expect_nothing().await;
}

pub(super) async fn a_closed_connection_watches_no_one(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = watching(&server, "u1", json!(["u2"])).await;
    told(&mut watcher).await;
    // A newer sign-in takes the place of the one before.
    watcher
        .sign_in(json!({"id": "u1", "watchlist": ["u3"]}))
        .await;
    told(&mut watcher).await;
    let _u2 = server.signed_in("u2").await;
    watcher.expect_nothing().await;
    let _u3 = server.signed_in("u3").await;
    told(&mut watcher).await;
    watcher.0.abort().await;
    let _again = server.signed_in("u4").await;
}

pub(super) async fn a_change_is_announced_once(env: &TestEnv) {
    let server = env.server().await;
    for round in 0..20 {
        let friend = format!("friend-{round}");
        let watcher = async {
            let mut watcher = watching(&server, "watcher", json!([friend])).await;
            let first = told(&mut watcher).await[0]["name"].clone();
            (watcher, first)
        };
        let ((mut watcher, first), _friend) = tokio::join!(watcher, server.signed_in(&friend));
        if first == "offline" {
            assert_eq!(
                told(&mut watcher).await,
                json!([{"name": "online", "user_ids": [friend]}])
            );
        }
        watcher.expect_nothing().await;
    }
}
