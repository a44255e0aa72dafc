//! The handshake, and rejected connections.

use std::time::Duration;

use pushi::core::hub::CloseReason;
use pushi::core::model::OverCapacity;
use pushi::inbound::websocket::destination;
use pushi_test_support::TestEnv;

const QUERY: &str = "protocol=7&client=js&version=8.6.0&flash=false";

pub(super) async fn the_greeting_names_the_socket_and_the_activity_timeout(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_connect(QUERY, None, false).await;
    let greeting = client.next().await;
    let inner = greeting.inner();
    let id = inner["socket_id"].as_str().unwrap();
    let data = format!(r#"{{\"socket_id\":\"{id}\",\"activity_timeout\":120}}"#);
    assert_eq!(
        greeting.text,
        format!(r#"{{"event":"pusher:connection_established","data":"{data}"}}"#)
    );
    let (process, counter) = id.split_once('.').unwrap();
    for number in [process, counter] {
        assert!(
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()),
            "{id}"
        );
    }
    for version in ["5", "6", "7"] {
        server
            .pusher_connect(&format!("protocol={version}"), None, false)
            .await
            .read_greeting()
            .await;
    }
}

pub(super) async fn the_activity_timeout_is_never_zero(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.timing.activity = Duration::ZERO)
        .await;
    let greeting = server.pusher_connect(QUERY, None, false).await.next().await;
    assert_eq!(greeting.inner()["activity_timeout"], 1);
}

pub(super) async fn unsupported_versions_are_rejected(env: &TestEnv) {
    let server = env.server().await;
    for (query, code) in [
        ("protocol=x", 4006),
        ("protocol=99", 4007),
        ("protocol=4", 4007),
        ("client=js", 4008),
        ("", 4008),
    ] {
        server
            .pusher_connect(query, None, false)
            .await
            .expect_rejection(code)
            .await;
    }
}

pub(super) async fn rejected_connections_get_an_error_and_are_closed(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.limits.max_connections = Some(1))
        .await;
    let nobody = destination("/app/nobody", Some(QUERY)).unwrap();
    let frame = server
        .pusher_connect_to(nobody, None, false)
        .await
        .expect_rejection(4001)
        .await;
    assert!(frame.message().contains("key"), "{frame:?}");
    let first = server.pusher().await;
    let call = || server.pusher_connect(QUERY, None, false);
    call().await.expect_rejection(4004).await;
    server
        .set(|settings| settings.over_capacity = OverCapacity::Retry)
        .await;
    call().await.expect_rejection(4100).await;
    server
        .set(|settings| settings.limits.max_connections = None)
        .await;
    server.set(|settings| settings.tls_only = true).await;
    call().await.expect_rejection(4000).await;
    server
        .pusher_connect(QUERY, None, true)
        .await
        .read_greeting()
        .await;
    server.set(|settings| settings.tls_only = false).await;
    server
        .set(|settings| settings.allowed_origins = vec!["https://one.example".to_owned()])
        .await;
    server
        .pusher_connect(QUERY, Some("https://two.example"), false)
        .await
        .expect_rejection(4009)
        .await;
    server
        .pusher_connect(QUERY, Some("https://one.example"), false)
        .await
        .read_greeting()
        .await;
    server.set(|settings| settings.enabled = false).await;
    call().await.expect_rejection(4003).await;
    let mut first = first;
    first.expect_rejection(4003).await;
}

pub(super) async fn shutdown_closes_with_4200(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    for mailbox in server.service.hub().mailboxes() {
        mailbox.close(CloseReason::Stopping);
    }
    client.expect_rejection(4200).await;
}
