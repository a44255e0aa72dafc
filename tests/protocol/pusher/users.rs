//! Sign-in, and events for one user.

use std::time::Duration;

use pushi::core::auth::user_auth;
use pushi_test_support::TestEnv;
use serde_json::json;

pub(super) async fn signing_in_is_answered(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    let user_data = r#"{ "id": "12345", "user_info": {"name": "Ann"} }"#;
    client.send_sign_in(user_data).await;
    let frame = client.next().await;
    let text = json!({"event": "pusher:signin_success", "data": json!({"user_data": user_data}).to_string()}).to_string();
    assert_eq!(frame.text, text);
    client.expect_nothing().await;
}

pub(super) async fn a_refused_sign_in_closes_the_connection(env: &TestEnv) {
    let server = env.server().await;
    let other = server.pusher().await;
    let long = json!({"id": "x".repeat(129)}).to_string();
    for user_data in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"id":""}"#,
        r#"{"id":7}"#,
        r#"{"id":null}"#,
        &long,
        r#"{"id":"a","watchlist":[7]}"#,
    ] {
        let mut client = server.pusher().await;
        client.next_is_invalid();
        client.send_sign_in(user_data).await;
        client.expect_rejection(4009).await;
    }
    let user_data = r#"{"id":"ann"}"#;
    let auth = |id: &str| user_auth(&server.app.key, &server.app.secret, id, user_data);
    for auth in [
        json!(auth(&other.id)),
        json!(""),
        json!(null),
        json!("x"),
        json!(7),
    ] {
        let mut client = server.pusher().await;
        if auth.is_number() {
            client.next_is_invalid();
        }
        client
            .send(json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}}))
            .await;
        client.expect_rejection(4009).await;
    }
}

pub(super) async fn signing_in_again_is_for_the_same_user_only(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.signed_in("ann").await;
    client
        .sign_in(json!({"id": "ann", "user_info": {"name": "Ann"}}))
        .await;
    let answer = client.subscribe("presence-r").await;
    assert_eq!(answer["presence"]["hash"], json!({"ann": {"name": "Ann"}}));
    client.send_sign_in(r#"{"id":"bo"}"#).await;
    client.expect_rejection(4009).await;
}

pub(super) async fn a_users_channel_is_for_that_user_alone(env: &TestEnv) {
    let server = env.server().await;
    let (mut ann, mut bo, mut nobody) = (
        server.signed_in("ann").await,
        server.signed_in("bo").await,
        server.pusher().await,
    );
    ann.subscribe("#server-to-user-ann").await;
    for other in [&mut bo, &mut nobody] {
        other
            .send_subscribe_data(json!({"channel": "#server-to-user-ann", "auth": ""}))
            .await;
        other
            .expect_subscription_error("#server-to-user-ann", "AuthError", 401)
            .await;
    }
    server.trigger(&["#server-to-user-ann"], "e", "x").await;
    assert_eq!(ann.expect_data("#server-to-user-ann", "e").await, "x");
    bo.expect_nothing().await;
    nobody.expect_nothing().await;
}

pub(super) async fn no_signature_opens_a_users_channel(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    let auth = client.auth("#server-to-user-ann");
    client
        .send_subscribe_data(json!({"channel": "#server-to-user-ann", "auth": auth}))
        .await;
    client
        .expect_subscription_error("#server-to-user-ann", "AuthError", 401)
        .await;
}

pub(super) async fn terminating_closes_the_users_connections(env: &TestEnv) {
    let server = env.server().await;
    let (mut one, mut two, mut bo, mut nobody) = (
        server.signed_in("ann").await,
        server.signed_in("ann").await,
        server.signed_in("bo").await,
        server.pusher().await,
    );
    nobody.join("presence-r", json!({"user_id": "ann"})).await;
    server.terminate("ann").await;
    one.expect_rejection(4009).await;
    two.expect_rejection(4009).await;
    bo.expect_nothing().await;
    nobody.expect_nothing().await;
    server.terminate("nobody").await;
    let mut back = server.signed_in("ann").await;
    back.expect_nothing().await;
}

pub(super) async fn an_app_can_require_it_in_time(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.settings.require_signin = true;
            setup.settings.signin_timeout = Duration::from_secs(3);
            setup.keep_alive = false;
        })
        .await;
    let (mut ann, mut late) = (server.signed_in("ann").await, server.pusher().await);
    let mut pushi = server.client().await;
    for _ in 0..3 {
        server.tick(100, 0);
    }
    late.expect_nothing().await;
    pushi.expect_nothing().await;
    server.tick(100, 0);
    late.expect_rejection(4009).await;
    ann.expect_nothing().await;
    // The other dialect cannot sign in.
    let frame = pushi.expect_rejection(4009).await;
    assert!(frame.message().contains("sign-in"), "{frame:?}");
    server.set(|settings| settings.require_signin = false).await;
    let mut pushi = server.client().await;
    for _ in 0..5 {
        server.tick(100, 0);
    }
    pushi.expect_nothing().await;
}
