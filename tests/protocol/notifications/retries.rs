//! Targets that do not accept a notification.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pushi::core::model::NotificationState;
use pushi_test_support::{Receiver, TestEnv, until};
use tokio::net::TcpListener;

use super::{logged, notifying, register, registered, until_done};

pub(super) async fn a_failed_notification_is_retried_in_order(env: &TestEnv) {
    let calls = AtomicUsize::new(0);
    let mut receiver = Receiver::answering(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => "500 Oops".to_owned(),
        1 => "302 Found\r\nlocation: http://127.0.0.1:1/".to_owned(),
        _ => "204 No Content".to_owned(),
    })
    .await;
    let server = notifying(env).await;
    register(&server, &receiver.url, "news").await;
    server.publish_texts("news", &["1", "2"]).await;
    for attempt in ["1", "2", "3"] {
        let call = receiver.call().await;
        assert_eq!(call.json()["data"], "1");
        assert_eq!(call.header("x-pushi-attempt"), attempt);
        if attempt != "3" {
            let waits = async || {
                let logged = logged(&server).await;
                let failed = |one: &&pushi::core::model::LoggedNotification| {
                    one.attempts.to_string() == attempt && one.last.problem.is_some()
                };
                logged.iter().filter(failed).count() == 2
            };
            until("the failure is not listed", waits).await;
            server.clock.advance(Duration::from_secs(60));
        }
    }
    let call = receiver.call().await;
    assert_eq!(call.json()["data"], "2");
    assert_eq!(call.header("x-pushi-attempt"), "1");
    until_done(&server, 2).await;
}

pub(super) async fn the_next_notification_begins_with_its_first_attempt(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "500 Oops".to_owned()).await;
    let server = env
        .server_with(|setup| {
            setup.notify = true;
            setup.rules.notifications.retry = Duration::ZERO;
        })
        .await;
    register(&server, &receiver.url, "news").await;
    server.publish_texts("news", &["1", "2", "3"]).await;
    for text in ["1", "2", "3"] {
        let call = receiver.call().await;
        assert_eq!(call.json()["data"], text);
        assert_eq!(call.header("x-pushi-attempt"), "1");
    }
    until_done(&server, 3).await;
    let attempts = logged(&server).await;
    assert!(attempts.iter().all(|one| one.attempts == 1));
}

pub(super) async fn a_target_that_hangs_delays_no_other(env: &TestEnv) {
    // It accepts connections and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut receiver = Receiver::start().await;
    let server = notifying(env).await;
    for number in 0..20 {
        let url = format!("http://{}/{number}", hanging.local_addr().unwrap());
        register(&server, &url, "news").await;
    }
    register(&server, &receiver.url, "news").await;
    for text in ["1", "2", "3"] {
        server.publish(&["news"], "chat", text, true).await;
        assert_eq!(receiver.call().await.json()["data"], text);
    }
}

pub(super) async fn a_target_that_is_gone_is_removed(env: &TestEnv) {
    let mut receiver = Receiver::answering(|_| "410 Gone".to_owned()).await;
    let server = notifying(env).await;
    for name in ["news", "other"] {
        register(&server, &receiver.url, name).await;
    }
    server.publish(&["news"], "chat", "1", true).await;
    receiver.call().await;
    until_done(&server, 1).await;
    assert!(registered(&server).await.is_empty());
    let ended = &logged(&server).await[0];
    assert_eq!(ended.state, NotificationState::Failed);
    server.publish(&["news"], "chat", "2", true).await;
    assert!(receiver.is_quiet());
}

pub(super) async fn an_abandoned_notification_can_be_replayed(env: &TestEnv) {
    let calls = AtomicUsize::new(0);
    let mut receiver = Receiver::answering(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => "503 Busy".to_owned(),
        _ => "200 OK".to_owned(),
    })
    .await;
    let server = env
        .server_with(|setup| {
            setup.notify = true;
            setup.rules.notifications.retry = Duration::ZERO;
        })
        .await;
    register(&server, &receiver.url, "news").await;
    server.publish(&["news"], "chat", "1", true).await;
    receiver.call().await;
    until_done(&server, 1).await;
    let failed = logged(&server).await.remove(0);
    assert_eq!(failed.state, NotificationState::Failed);
    let (service, app) = (&server.service, &server.app.ident);
    let replayed = service.replay_notification(app, failed.id, failed.state);
    replayed.await.unwrap();
    assert_eq!(receiver.call().await.json()["data"], "1");
    until_done(&server, 2).await;
    let replayed = service.replay_notification(app, failed.id, failed.state);
    assert!(replayed.await.is_err());
}
