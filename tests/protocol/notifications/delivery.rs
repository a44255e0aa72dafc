//! Which events reach which targets, and in what form.

use std::time::Duration;

use pushi::core::model::{FurtherMembers, NotificationState, Payload, TargetKind};
use pushi_test_support::{Receiver, TestEnv, publishing};
use serde_json::json;

use super::{logged, next_server, notifying, register, until_done};

pub(super) async fn an_event_is_posted_to_the_web_hooks_of_its_channel(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "news").await;
    let mut publish = publishing(&["news"], "chat", "{\"a\":\"é\"}", true);
    publish.payload = Payload {
        extra: FurtherMembers::of([("\"push\"", "{\"n\":1.50}")]),
        ..publish.payload
    };
    server.try_publish(publish).await.unwrap();
    server.publish(&["other"], "chat", "x", true).await;
    let call = receiver.call().await;
    assert_eq!(call.line(), "POST /hook HTTP/1.1");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-pushi-key"), server.app.key);
    assert_eq!(call.header("x-pushi-attempt"), "1");
    let body = call.json();
    assert_eq!(
        call.header("x-pushi-event-id"),
        body["mid"].as_str().unwrap()
    );
    let expected = json!({
        "event": "chat", "channel": "news", "data": "{\"a\":\"é\"}", "push": {"n": 1.5},
        "mid": body["mid"], "serial": 1, "timestamp": body["timestamp"],
    });
    assert_eq!(body, expected);
    let signature = call.header("x-pushi-signature").to_owned();
    let (time, signed) = signature.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let text = format!("{time}.{}", call.body);
    assert_eq!(
        signed,
        pushi::core::auth::webhook_signature(&server.app.secret, &text)
    );
    until_done(&server, 1).await;
    assert!(receiver.is_quiet());
    let done = &logged(&server).await[0];
    assert_eq!((done.state, done.attempts), (NotificationState::Done, 1));
    assert_eq!((done.kind, &*done.channel), (TargetKind::Web, "news"));
    assert!(
        server
            .metrics()
            .contains("pushi_notifications_total{kind=\"web\",outcome=\"delivered\"} 1")
    );
}

pub(super) async fn a_web_hook_gets_the_events_that_its_user_follows(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "personal-ann").await;
    for user in ["ann", "bob"] {
        server.add_subscription(user, "news").await;
    }
    server.publish(&["news"], "chat", "followed", true).await;
    assert_eq!(receiver.call().await.json()["data"], "followed");
    server.publish(&["personal-ann"], "chat", "own", true).await;
    assert_eq!(receiver.call().await.json()["channel"], "personal-ann");
    server
        .publish(&["personal-bob"], "chat", "another's", true)
        .await;
    server.remove_subscription("ann", "news").await;
    server.publish(&["news"], "chat", "ended", true).await;
    server
        .publish(&["personal-ann"], "chat", "last", true)
        .await;
    assert_eq!(receiver.call().await.json()["data"], "last");
    until_done(&server, 3).await;
}

pub(super) async fn a_target_is_notified_once_of_a_publish(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    for name in ["a", "b", "personal-ann", "personal-bob"] {
        register(&server, &receiver.url, name).await;
    }
    for user in ["ann", "bob"] {
        server.add_subscription(user, "a").await;
    }
    // A publish to one channel is another one, too.
    for persist in [true, false] {
        for channels in [&["b"][..], &["a", "b"]] {
            server.publish(channels, "chat", "x", persist).await;
            assert_eq!(receiver.call().await.json()["data"], "x");
        }
    }
    server.publish(&["b"], "chat", "last", true).await;
    assert_eq!(receiver.call().await.json()["data"], "last");
    until_done(&server, 5).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn events_that_are_not_stored_are_sent_too(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "news").await;
    server.publish_transient("news", "x").await;
    let call = receiver.call().await;
    let expected = json!({"event": "call", "channel": "news", "data": "x"});
    assert_eq!(call.json(), expected);
    assert!(!call.header("x-pushi-event-id").is_empty());
}

pub(super) async fn an_event_of_a_socket_is_sent(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "news").await;
    let mut ann = server.subscribed("news").await;
    for persist in [true, false] {
        let publish = json!({"event": "chat", "channel": "news", "data": "x", "persist": persist});
        ann.send(publish).await;
        let body = receiver.call().await.json();
        assert_eq!(
            (&body["event"], &body["data"]),
            (&json!("chat"), &json!("x"))
        );
        assert_eq!(body.get("mid").is_some(), persist);
    }
}

pub(super) async fn a_removed_target_is_not_notified(env: &TestEnv) {
    let (mut first, mut second) = (Receiver::start().await, Receiver::start().await);
    let server = notifying(env).await;
    for receiver in [&first, &second] {
        register(&server, &receiver.url, "news").await;
    }
    server.publish(&["news"], "chat", "both", true).await;
    for receiver in [&mut first, &mut second] {
        assert_eq!(receiver.call().await.json()["data"], "both");
    }
    until_done(&server, 2).await;
    let (service, app) = (&server.service, &server.app.ident);
    let removed = service.remove_targets(app, TargetKind::Web, &first.url, None);
    assert_eq!(removed.await.unwrap().len(), 1);
    server.publish(&["news"], "chat", "one", true).await;
    assert_eq!(second.call().await.json()["data"], "one");
    until_done(&server, 3).await;
    assert!(first.is_quiet());
}

pub(super) async fn what_is_due_is_sent_after_a_restart(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = env.server().await;
    register(&server, &receiver.url, "news").await;
    server.publish_texts("news", &["1", "2", "3"]).await;
    // A node that was killed while it had claimed what is due.
    let now = server.clock_now();
    let until = now.plus(Duration::from_secs(20));
    let claimed = env
        .stores
        .due
        .claim_due("killed", now, until, (&[], None), 10, 2);
    assert_eq!(claimed.await.unwrap().len(), 2);
    next_server(env, Duration::from_secs(21));
    let mut data = Vec::new();
    for _ in 0..3 {
        data.push(
            receiver.call().await.json()["data"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    data.sort_unstable();
    assert_eq!(data, ["1", "2", "3"]);
    until_done(&server, 3).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn one_of_two_nodes_sends(env: &TestEnv) {
    let mut receiver = Receiver::start().await;
    let server = env
        .server_with(|setup| {
            setup.notify = true;
            setup.rules.webhooks.single_node = false;
        })
        .await;
    next_server(env, Duration::ZERO);
    register(&server, &receiver.url, "news").await;
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for text in &texts {
        server.publish(&["news"], "chat", text, true).await;
    }
    let mut told = Vec::new();
    for _ in &texts {
        told.push(receiver.call().await.json()["serial"].as_u64().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (1..=20).collect::<Vec<_>>());
    until_done(&server, 20).await;
    assert!(receiver.is_quiet());
}
