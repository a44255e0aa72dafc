//! The handshake, and rejected connections.

use std::time::Duration;

use pushi::core::model::OverCapacity;
use pushi_test_support::TestEnv;
use serde_json::json;

pub(crate) async fn the_greeting_names_the_socket(env: &TestEnv) {
    let server = env.server().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect(&server.app, None, false).await;
        let greeting = client.next().await;
        let inner = greeting.inner();
        let id = inner["socket_id"].as_str().unwrap();
        let text = format!(
            r#"{{"event":"pusher:connection_established","data":"{{\"socket_id\":\"{id}\"}}"}}"#
        );
        assert_eq!(
            greeting.text, text,
            "byte for byte, as clients of the original may read it"
        );
        let (process, counter) = id.split_once('.').unwrap();
        for number in [process, counter] {
            assert!(
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()),
                "{id}"
            );
        }
        assert!(process.parse::<u64>().unwrap() < 1 << 53, "{id}");
        assert!(!seen.contains(&id.to_owned()), "{id} came twice");
        seen.push(id.to_owned());
        client.expect_nothing().await;
    }
}

pub(crate) async fn an_unknown_key_is_closed_with_4001(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server
        .connect_with_key(&server.app, "nobody", None, false)
        .await;
    let frame = client.expect_rejection(4001).await;
    assert_eq!(frame.channel(), "", "there, though it is about none");
    assert!(frame.message().contains("key"), "{frame:?}");
    client.abort().await;
    for key in ["", " ", "\u{0}", &"x".repeat(10_000)] {
        server
            .connect_with_key(&server.app, key, None, false)
            .await
            .expect_rejection(4001)
            .await;
    }
}

pub(crate) async fn a_disabled_app_is_closed_with_4003(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.enabled = false)
        .await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4003)
        .await;
    server.set(|settings| settings.enabled = true).await;
    server.client().await.expect_nothing().await;
}

pub(crate) async fn plain_connections_are_closed_with_4000_where_tls_is_asked(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.tls_only = true)
        .await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4000)
        .await;
    let mut client = server.connect(&server.app, None, true).await;
    client.read_greeting().await;
}

pub(crate) async fn origins_are_held_to_the_apps_list(env: &TestEnv) {
    let list = ["https://one.example", "https://two.example:8443"].map(str::to_owned);
    let server = env
        .server_with(|setup| setup.settings.allowed_origins = list.to_vec())
        .await;
    for origin in [
        None,
        Some("https://one.example"),
        Some("HTTPS://One.Example"),
        Some("https://two.example:8443"),
    ] {
        server
            .connect(&server.app, origin, false)
            .await
            .read_greeting()
            .await;
    }
    for origin in [
        "https://three.example",
        "http://one.example",
        "https://two.example",
        "https://one.example.evil",
        "null",
        "",
    ] {
        server
            .connect(&server.app, Some(origin), false)
            .await
            .expect_rejection(4009)
            .await;
    }
}

pub(crate) async fn origins_are_held_to_the_servers_list(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.allowed_origins = vec!["https://one.example".to_owned()])
        .await;
    server
        .connect(&server.app, Some("https://one.example"), false)
        .await
        .read_greeting()
        .await;
    server
        .connect(&server.app, Some("https://two.example"), false)
        .await
        .expect_rejection(4009)
        .await;
    server
        .set(|settings| settings.allowed_origins = vec!["https://two.example".to_owned()])
        .await;
    for origin in ["https://one.example", "https://two.example"] {
        server
            .connect(&server.app, Some(origin), false)
            .await
            .expect_rejection(4009)
            .await;
    }
}

pub(crate) async fn an_app_over_its_limit_is_closed_with_4004(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.limits.max_connections = Some(2))
        .await;
    let [mut first, _second] = server.clients().await;
    let frame = server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4004)
        .await;
    assert!(frame.message().contains("max_connections"), "{frame:?}");
    first.expect_nothing().await;
}

pub(crate) async fn an_app_over_its_limit_can_say_4100(env: &TestEnv) {
    let server = env
        .server_with(|setup| {
            setup.settings.limits.max_connections = Some(1);
            setup.settings.over_capacity = OverCapacity::Retry;
        })
        .await;
    let _first = server.client().await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4100)
        .await;
}

pub(crate) async fn a_limit_counts_who_is_there_now(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.limits.max_connections = Some(1))
        .await;
    server.client().await.close().await;
    server.client().await.abort().await;
    let mut client = server.client().await;
    server
        .set(|settings| settings.limits.max_connections = Some(2))
        .await;
    let _further = server.client().await;
    server
        .set(|settings| settings.limits.max_connections = Some(1))
        .await;
    client.expect_nothing().await;
    server
        .set(|settings| settings.limits.max_connections = Some(0))
        .await;
    let _unbounded: [_; 3] = server.clients().await;
}

pub(crate) async fn a_node_over_its_limit_is_closed_with_4100(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.connections = 2)
        .await;
    let [first, _second] = server.clients().await;
    let frame = server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4100)
        .await;
    assert!(
        frame.message().contains("PUSHI_MAX_CONNECTIONS"),
        "{frame:?}"
    );
    // Rejected connections do not count.
    first.close().await;
    server
        .client()
        .await
        .send(json!({"event": "pusher:ping"}))
        .await;
}

pub(crate) async fn too_many_in_a_second_are_closed_with_4100(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.connects_per_second = 3)
        .await;
    let _three: [_; 3] = server.clients().await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4100)
        .await;
    server.clock.advance(Duration::from_secs(1));
    let _three: [_; 3] = server.clients().await;
    server
        .connect(&server.app, None, false)
        .await
        .expect_rejection(4100)
        .await;
}
