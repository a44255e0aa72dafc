//! Targets other than web hooks. That their receivers understand what is sent is tested with other implementations, in
//! `tests/clients`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pushi::core::model::{
    FurtherMembers, LoggedNotification, NotificationState, Payload, TargetKind,
};
use pushi_test_support::{Receiver, TestEnv, TestServer, publishing, until};

use super::{logged, register_target, registered_of, until_done};

/// A server that notifies targets, whose app has a VAPID key and a contact.
async fn with_key(env: &TestEnv) -> TestServer<'_> {
    let server = env
        .server_with(|setup| {
            setup.notify = true;
            setup.rules.messages.contact = Some("mailto:ops@shop.example".to_owned());
        })
        .await;
    make_key(&server).await;
    server
}

async fn make_key(server: &TestServer<'_>) {
    let made = server.service.make_vapid_key(&server.app.ident, false);
    made.await.unwrap();
}

/// Waits until all notifications have failed once and wait.
async fn until_waiting(server: &TestServer<'_>, count: usize) -> Vec<LoggedNotification> {
    let waiting = async || {
        let logged = logged(server).await;
        let failed = |one: &&LoggedNotification| one.last.problem.is_some() && one.attempts == 1;
        logged.iter().filter(failed).count() == count
    };
    until("the notifications do not wait", waiting).await;
    logged(server).await
}

pub(super) async fn a_browser_is_sent_the_event_encrypted(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "201 Created".to_owned()).await;
    let server = with_key(env).await;
    register_target(&server, TargetKind::WebPush, &receiver.url, "news").await;
    server.publish(&["news"], "chat", "plain", true).await;
    let call = receiver.call().await;
    assert_eq!(call.line(), "POST /hook HTTP/1.1");
    assert_eq!(call.header("content-encoding"), "aes128gcm");
    assert_eq!(call.header("ttl"), "86400");
    assert!(call.header("authorization").starts_with("vapid t="));
    let mut publish = publishing(&["news"], "chat", "data", true);
    let steered = r#"{"title":"T","ttl":60,"urgency":"high","topic":"orders"}"#;
    publish.payload = Payload {
        extra: FurtherMembers::of([("\"web_push\"", steered)]),
        ..publish.payload
    };
    server.try_publish(publish).await.unwrap();
    let call = receiver.call().await;
    assert_eq!(
        ["ttl", "urgency", "topic"].map(|name| call.header(name)),
        ["60", "high", "orders"]
    );
    until_done(&server, 2).await;
    let ended = logged(&server).await;
    assert!(
        ended
            .iter()
            .all(|one| one.kind == TargetKind::WebPush && one.state == NotificationState::Done)
    );
    assert!(receiver.is_quiet());
}

pub(super) async fn a_browser_that_is_gone_is_removed(env: &TestEnv) {
    for status in ["404 Not Found", "410 Gone"] {
        let mut receiver = Receiver::answering(|_| status.to_owned()).await;
        let server = with_key(env).await;
        for name in ["news", "other"] {
            register_target(&server, TargetKind::WebPush, &receiver.url, name).await;
        }
        server.publish(&["news"], "chat", "1", true).await;
        receiver.call().await;
        until_done(&server, 1).await;
        assert!(registered_of(&server, TargetKind::WebPush).await.is_empty());
        assert!(receiver.is_quiet());
    }
}

pub(super) async fn a_push_service_that_is_busy_is_asked_later(env: &TestEnv) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut receiver = Receiver::answering(move |_| {
        match counted.fetch_add(1, Ordering::Relaxed) {
            0 => "429 Too Many Requests\r\nretry-after: 3600",
            _ => "201 Created",
        }
        .to_owned()
    })
    .await;
    let server = with_key(env).await;
    register_target(&server, TargetKind::WebPush, &receiver.url, "news").await;
    server.publish(&["news"], "chat", "1", true).await;
    receiver.call().await;
    let waiting = until_waiting(&server, 1).await;
    let next = waiting[0].next_attempt.unwrap();
    assert!(next > server.clock_now().plus(Duration::from_secs(3500)));
    server.clock.advance(Duration::from_secs(3601));
    receiver.call().await;
    until_done(&server, 1).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

pub(super) async fn a_message_that_is_never_accepted_is_given_up(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "413 Payload Too Large".to_owned()).await;
    let server = with_key(env).await;
    register_target(&server, TargetKind::WebPush, &receiver.url, "news").await;
    server.publish(&["news"], "chat", "refused", true).await;
    receiver.call().await;
    until_done(&server, 1).await;
    // It is longer than any push service accepts, which is known without an attempt.
    let long = "x".repeat(3994);
    server.publish(&["news"], "chat", &long, true).await;
    until_done(&server, 2).await;
    assert!(receiver.is_quiet());
    let ended = logged(&server).await;
    let mut reasons: Vec<&str> = ended
        .iter()
        .map(|one| one.last.problem.as_deref().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "answered 413 Payload Too Large",
            "data has 3994 bytes: a Web Push message has at most 3993"
        ]
    );
    assert_eq!(registered_of(&server, TargetKind::WebPush).await.len(), 1);
}

pub(super) async fn events_wait_for_credentials(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "201 Created".to_owned()).await;
    let server = env
        .server_with(|setup| {
            setup.notify = true;
            setup.rules.messages.contact = Some("mailto:ops@shop.example".to_owned());
        })
        .await;
    for (kind, address) in [
        (TargetKind::WebPush, receiver.url.as_str()),
        (TargetKind::Smtp, "ann@shop.example"),
        (TargetKind::Apn, &"a1".repeat(32)),
    ] {
        register_target(&server, kind, address, "news").await;
    }
    server.publish(&["news"], "chat", "1", true).await;
    let waiting = until_waiting(&server, 3).await;
    let mut reasons: Vec<(TargetKind, &str)> = waiting
        .iter()
        .map(|one| (one.kind, one.last.problem.as_deref().unwrap()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            (TargetKind::WebPush, "VAPID private key not configured"),
            (TargetKind::Apn, "No APN key defined"),
            (TargetKind::Smtp, "SMTP host not configured"),
        ]
    );
    let refused = |kind| server.service.refused_credentials(kind);
    for (kind, reason) in &reasons {
        let refused = refused(*kind).unwrap();
        assert_eq!((&*refused.reason, refused.apps), (*reason, 1));
        assert_eq!(refused.app, server.app.ident);
    }
    assert_eq!(refused(TargetKind::Web), None);
    make_key(&server).await;
    server.clock.advance(Duration::from_secs(3600));
    receiver.call().await;
    let delivered = async || {
        let done = |one: &LoggedNotification| one.state == NotificationState::Done;
        logged(&server).await.iter().any(done)
    };
    until("the notification is not delivered", delivered).await;
    assert_eq!(refused(TargetKind::WebPush), None);
}
