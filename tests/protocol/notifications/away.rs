//! Targets that are notified only if their user was away.

use std::time::Duration;

use pushi::core::model::{Away, NewTarget, NotificationState, Secret, TargetKind, UserId};
use pushi::core::service::RegisterTarget;
use pushi_test_support::{Receiver, TestEnv, TestServer, channel, until};
use serde_json::json;

use super::{logged, notifying, register, until_done};

const DELAY: Duration = Duration::from_secs(30);

async fn register_away(server: &TestServer<'_>, url: &str, name: &str, user: Option<&str>) {
    let target = NewTarget {
        kind: TargetKind::Web,
        channel: channel(name),
        address: Secret::new(url),
        p256dh: None,
        auth: None,
        away: Some(Away {
            delay: DELAY,
            user: user.and_then(UserId::parse),
        }),
        digest: None,
    };
    let (key, secret) = (&server.app.key, &server.app.secret);
    let auth = pushi::core::auth::channel_auth(key, secret, url, name, None);
    let request = RegisterTarget {
        auth: Some(auth),
        target,
        only: false,
    };
    let registered = server.service.register_target(&server.app, request);
    registered.await.unwrap();
}

/// Waits until the sender has looked for the user of one notification, which then waits.
async fn until_waiting(server: &TestServer<'_>) {
    let waits = async || {
        let (now, logged) = (server.clock_now(), logged(server).await);
        logged.iter().any(|one| {
            one.state == NotificationState::Waiting
                && one.next_attempt.is_some_and(|next| next > now)
        })
    };
    until("no notification waits for the delay", waits).await;
}

pub(super) async fn a_user_who_stays_away_is_notified_after_the_delay(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register_away(&server, &receiver.url, "personal-ann", None).await;
    server.publish(&["personal-ann"], "chat", "x", true).await;
    until_waiting(&server).await;
    assert!(receiver.is_quiet());
    server.clock.advance(DELAY);
    let call = receiver.call().await;
    assert_eq!(call.json()["data"], "x");
    assert_eq!(call.header("x-pushi-attempt"), "1");
    until_done(&server, 1).await;
}

pub(super) async fn a_user_who_receives_the_event_is_not_notified(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register_away(&server, &receiver.url, "personal-ann", None).await;
    register_away(&server, &receiver.url, "news", Some("bob")).await;
    server.add_subscription("ann", "orders").await;
    let mut ann = server.client().await;
    ann.subscribe("personal-ann").await;
    let mut bob = server.client().await;
    bob.subscribe("personal-bob").await;
    for name in ["personal-ann", "orders"] {
        server.publish(&[name], "chat", "x", true).await;
        assert_eq!(ann.expect("chat").await.channel(), name);
    }
    until_done(&server, 2).await;
    // Bob is connected, but not to this channel.
    server.publish(&["news"], "chat", "missed", true).await;
    until_waiting(&server).await;
    server.clock.advance(DELAY);
    assert_eq!(receiver.call().await.json()["data"], "missed");
    until_done(&server, 3).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn a_user_who_comes_back_before_the_end_is_not_notified(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let mut always = Receiver::start().await;
    let server = notifying(env).await;
    register_away(&server, &receiver.url, "presence-room", Some("ann")).await;
    register(&server, &always.url, "presence-room").await;
    server.publish(&["presence-room"], "chat", "x", true).await;
    assert_eq!(always.call().await.json()["data"], "x");
    until_waiting(&server).await;
    let mut ann = server.client().await;
    ann.join("presence-room", json!({"user_id": "ann"})).await;
    server.clock.advance(DELAY);
    until_done(&server, 2).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn a_target_that_is_always_notified_gets_an_event_once(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "news").await;
    register_away(&server, &receiver.url, "personal-ann", None).await;
    server.add_subscription("ann", "news").await;
    server.publish(&["news"], "chat", "x", true).await;
    assert_eq!(receiver.call().await.json()["data"], "x");
    until_done(&server, 2).await;
    // What waits for the delay does not delay the rest.
    server
        .publish(&["personal-ann"], "chat", "later", true)
        .await;
    until_waiting(&server).await;
    server.publish(&["news"], "chat", "now", true).await;
    assert_eq!(receiver.call().await.json()["data"], "now");
    server.clock.advance(DELAY);
    assert_eq!(receiver.call().await.json()["data"], "later");
    until_done(&server, 5).await;
    assert!(receiver.is_quiet());
}
