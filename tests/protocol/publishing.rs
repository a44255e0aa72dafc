//! Publishing from clients and back ends: fields, recipients, persistence.

use pushi::core::model::{FurtherMembers, Payload};
use pushi::core::service::Publishing;
use pushi_test_support::{TestEnv, channel, event_texts};
use serde_json::{Value, json};

pub(crate) async fn subscribers_get_the_event(env: &TestEnv) {
    let server = env.server().await;
    let [mut sender, mut other, mut stranger] = server.clients().await;
    sender.subscribe("global").await;
    other.subscribe("global").await;
    stranger.subscribe("local").await;
    sender
        .send(json!({"event": "message", "data": {"x": 1}, "channel": "global"}))
        .await;
    let frame = other.expect("message").await;
    let (mid, timestamp) = (
        frame.value["mid"].as_str().unwrap(),
        &frame.value["timestamp"],
    );
    let stored = format!(r#""mid":"{mid}","serial":1,"timestamp":{timestamp}"#);
    assert_eq!(
        frame.text,
        format!(r#"{{"event":"message","channel":"global","data":"{{\"x\":1}}",{stored}}}"#)
    );
    assert!(timestamp.as_f64().unwrap() > 1.7e9);
    sender.expect_nothing().await;
    stranger.expect_nothing().await;
    sender
        .publish(
            "global",
            "message",
            json!("text"),
            json!({"persist": false}),
        )
        .await;
    let frame = other.expect("message").await;
    assert_eq!(
        frame.text, r#"{"event":"message","channel":"global","data":"text"}"#,
        "what is not kept has no place"
    );
}

pub(crate) async fn every_event_has_its_own_mid_and_serial(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let mut mids = Vec::new();
    for name in ["a", "b"] {
        client.subscribe(name).await;
        for serial in 1..=5 {
            client
                .publish(name, "message", json!("x"), json!({"echo": true}))
                .await;
            let frame = client.expect("message").await;
            assert_eq!(frame.serial(), serial);
            mids.push(frame.value["mid"].as_str().unwrap().to_owned());
        }
    }
    mids.sort_unstable();
    mids.dedup();
    assert_eq!(mids.len(), 10);
}

pub(crate) async fn the_sender_gets_it_with_echo_alone(env: &TestEnv) {
    let server = env.server().await;
    let [mut sender, mut tab] = server.clients().await;
    sender.subscribe("c").await;
    tab.subscribe("c").await;
    for persist in [true, false] {
        sender
            .publish(
                "c",
                "message",
                json!("without"),
                json!({"persist": persist}),
            )
            .await;
        assert_eq!(tab.expect("message").await.data(), "without");
        sender.expect_nothing().await;
        sender
            .publish(
                "c",
                "message",
                json!("with"),
                json!({"persist": persist, "echo": true}),
            )
            .await;
        assert_eq!(tab.expect("message").await.data(), "with");
        assert_eq!(sender.expect("message").await.data(), "with");
    }
}

pub(crate) async fn publishes_are_persisted_by_default(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    for (text, persist) in [
        ("default", json!(null)),
        ("kept", json!(true)),
        ("not kept", json!(false)),
    ] {
        client
            .publish(
                "c",
                "message",
                json!(text),
                json!({"persist": persist, "echo": true}),
            )
            .await;
        client.expect("message").await;
    }
    assert_eq!(
        event_texts(&client.query(json!({"channel": "c"})).await),
        ["kept", "default"]
    );
}

pub(crate) async fn data_is_text_or_is_encoded_as_json(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    let raw = |data: &str| format!(r#"{{"event":"m","channel":"c","echo":true,"data":{data}}}"#);
    for (data, text) in [
        (r#""plain""#, "plain"),
        (r#""""#, ""),
        (r#""{\"x\":1}""#, r#"{"x":1}"#),
        (r#""a\u0000b\ud83e\udd80\n""#, "a\u{0}b🦀\n"),
        (
            r#"{"b":1,"a":[1.0,1e5,null,true]}"#,
            r#"{"b":1,"a":[1.0,1e5,null,true]}"#,
        ),
        (r#"{ "b" : 1 }"#, r#"{"b":1}"#),
        ("[]", "[]"),
        ("7", "7"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("true", "true"),
        ("null", "null"),
    ] {
        client.send_message(raw(data)).await;
        assert_eq!(client.expect("m").await.data(), text);
        let state = client.query(json!({"channel": "c", "count": 1})).await;
        assert_eq!(event_texts(&state), [text]);
    }
    client
        .send(json!({"event": "m", "channel": "c", "echo": true}))
        .await;
    assert_eq!(client.expect("m").await.data(), "null");
}

pub(crate) async fn nothing_else_travels_from_a_socket(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    let forged = json!({
        "echo": true, "mid": "forged", "serial": 99, "timestamp": 1.0, "publish": "forged", "user_id": "forged",
        "owner_id": "forged", "instance": "forged", "id": 99, "push": {"x": 1}, "name": "forged"
    });
    client.next_is_invalid();
    client
        .publish("c", "message", json!("x"), forged.clone())
        .await;
    let frame = client.expect("message").await;
    let names: Vec<&String> = frame.value.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["event", "channel", "data", "mid", "serial", "timestamp"]
    );
    assert_eq!(frame.serial(), 1);
    assert!(!frame.text.contains("forged"));
    let state = client.query(json!({"channel": "c"})).await;
    assert!(!state.to_string().contains("forged"), "{state}");
    assert_eq!(state["events"][0]["owner_id"], client.id.as_str());
    let mut forged = forged;
    forged["persist"] = json!(false);
    client.next_is_invalid();
    client.publish("c", "message", json!("x"), forged).await;
    assert_eq!(
        client.expect("message").await.text,
        r#"{"event":"message","channel":"c","data":"x"}"#
    );
}

pub(crate) async fn further_members_travel_from_a_back_end(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    let payload = Payload {
        event: "m".into(),
        data: "x".into(),
        extra: FurtherMembers::trusted(r#""push":{"n":1.50},"a":null"#),
    };
    let publishing = Publishing {
        channels: vec![channel("c")],
        payload,
        persist: true,
        idempotency_key: None,
    };
    server.try_publish(publishing).await.unwrap();
    let frame = client.expect("m").await;
    assert!(
        frame
            .text
            .contains(r#""data":"x","push":{"n":1.50},"a":null,"mid":"#),
        "{frame:?}"
    );
    let state = client.query(json!({"channel": "c"})).await;
    assert_eq!(
        state["events"][0]["data"],
        json!({"channel": "c", "event": "m", "data": "x", "push": {"n": 1.5}, "a": null})
    );
    assert_eq!(state["events"][0]["owner_id"], Value::Null);
}

pub(crate) async fn non_subscribers_may_not_publish(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, mut other] = server.clients().await;
    other.subscribe("c").await;
    for persist in [true, false] {
        client
            .publish(
                "c",
                "message",
                json!("x"),
                json!({"persist": persist, "echo": true}),
            )
            .await;
        let frame = client.expect_error(4317).await;
        assert_eq!(
            (frame.channel(), &frame.value["data"]["event"]),
            ("c", &json!("message"))
        );
    }
    client.subscribe("c").await;
    client.unsubscribe("c").await;
    client.publish("c", "message", json!("x"), json!({})).await;
    client.expect_error(4317).await;
    other.expect_nothing().await;
    assert_eq!(
        event_texts(&other.query(json!({"channel": "c"})).await),
        [""; 0]
    );
}

pub(crate) async fn an_app_can_keep_its_sockets_from_publishing(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, mut other] = server.clients().await;
    client.subscribe("c").await;
    other.subscribe("c").await;
    server.set(|settings| settings.client_publish = false).await;
    for persist in [true, false] {
        client
            .publish(
                "c",
                "message",
                json!("x"),
                json!({"persist": persist, "ref": "7"}),
            )
            .await;
        let frame = client.expect("pusher:error").await;
        assert!(frame.message().contains("client_publish"), "{frame:?}");
        assert_eq!(frame.value["data"]["ref"], "7");
    }
    other.expect_nothing().await;
    server.publish_texts("c", &["from the back end"]).await;
    client.expect("message").await;
    other.expect("message").await;
    server.set(|settings| settings.client_publish = true).await;
    client.publish("c", "message", json!("x"), json!({})).await;
    assert_eq!(other.expect("message").await.data(), "x");
}
