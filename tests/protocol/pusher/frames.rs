//! Valid frames, and the errors for invalid ones.

use pushi_test_support::TestEnv;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

pub(super) async fn invalid_frames_have_their_error_codes(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    for (text, code) in [
        ("", 4310),
        ("{", 4310),
        ("[]", 4311),
        ("null", 4311),
        ("{}", 4312),
        (r#"{"event":7}"#, 4312),
        (r#"{"event":"pusher:subscribe"}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":7}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":"channel"}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":{}}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":{"channel":7}}"#, 4314),
        (r#"{"event":"pusher:unsubscribe","data":{}}"#, 4314),
        (
            r#"{"event":"pusher:unsubscribe","data":{"channel":"a b"}}"#,
            4315,
        ),
        (r#"{"event":"client-x","data":1}"#, 4314),
        (r#"{"event":"client-x","channel":"a b"}"#, 4315),
    ] {
        client.send_message(text).await;
        let frame = client.expect_error(code).await;
        assert_eq!(
            frame.value.as_object().unwrap().len(),
            2,
            "event and data alone: {frame:?}"
        );
    }
    client.send_message(Message::Binary("x".into())).await;
    client.expect_error(4321).await;
    client.expect_nothing().await;
}

pub(super) async fn data_may_be_an_object_or_a_string_of_json(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client
        .send(json!({"event": "pusher:subscribe", "data": {"channel": "one"}}))
        .await;
    client.expect_subscribed("one").await;
    client
        .send(json!({"event": "pusher:subscribe", "data": "{\"channel\":\"two\",\"auth\":\"\"}"}))
        .await;
    client.expect_subscribed("two").await;
    client
        .send(json!({"event": "pusher:unsubscribe", "data": "{\"channel\":\"one\"}"}))
        .await;
    client.expect_nothing().await;
    assert_eq!(
        (
            server.subscriptions("one").await,
            server.subscriptions("two").await
        ),
        (0, 1)
    );
}

pub(super) async fn other_events_are_refused(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher_on("news").await;
    for event in [
        "message",
        "pusher:nonsense",
        "pusher_internal:member_added",
        "Client-x",
        "",
        "client",
    ] {
        client.next_is_invalid();
        client.send_client_event("news", event, json!("x")).await;
        client.expect_error(4313).await;
    }
    client.expect_nothing().await;
}

pub(super) async fn a_subscription_error_arrives_on_its_channel(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    client
        .send_subscribe_data(json!({"channel": "private-x", "auth": "nonsense"}))
        .await;
    let frame = client.next().await;
    let data = &frame.value["data"];
    let error = data["error"].as_str().unwrap();
    let text = format!(
        r#"{{"event":"pusher:subscription_error","channel":"private-x","data":{{"type":"AuthError","error":{},"status":401}}}}"#,
        json!(error)
    );
    assert_eq!(frame.text, text);
    client.expect_nothing().await;
}

pub(super) async fn names_hold_few_characters_and_at_most_two_hundred(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.pusher().await;
    for name in ["A-Z_a-z0-9=@,.;", "-", &"x".repeat(200)] {
        client.subscribe(name).await;
    }
    for name in [
        "",
        "a b",
        "a:b",
        "a/b",
        "é",
        "#x",
        "a\u{0}",
        "a&b",
        "peer-room:a&b",
        &"x".repeat(201),
        "#server-to-user-",
    ] {
        client.send_subscribe(name, json!({})).await;
        client
            .expect_subscription_error(name, "InvalidChannel", 400)
            .await;
    }
    client.expect_nothing().await;
}
