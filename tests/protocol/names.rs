//! Valid names of channels and events, and required fields of frames.

use pushi_test_support::{Client, Frame, TestEnv};
use serde_json::{Value, json};

/// The error for a frame; the connection stays open.
async fn complaint(client: &mut Client, frame: Value, code: u16) -> Frame {
    match code {
        4312..=4314 => client.next_is_invalid(),
        // Some names are too long for the app's limit, others are none.
        4315 => client.next_may_be_invalid(),
        _ => {}
    }
    client.send(frame.clone()).await;
    let answer = client.expect("pusher:error").await;
    assert_eq!(
        answer.code(),
        u64::from(code),
        "{frame} was answered {answer:?}"
    );
    assert!(!answer.message().is_empty());
    client.expect_nothing().await;
    answer
}

pub(crate) async fn invalid_frames_have_their_error_codes(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for (text, code) in [
        ("", 4310),
        ("nonsense", 4310),
        (r#"{"event":"message","channel":"c""#, 4310),
        (r#"{"event":"message"}{"event":"message"}"#, 4310),
        ("\u{0}", 4310),
        ("[]", 4311),
        ("7", 4311),
        (r#""{\"event\":\"pusher:ping\"}""#, 4311),
        ("null", 4311),
        ("{}", 4312),
        (r#"{"event":null}"#, 4312),
        (r#"{"event":["message"]}"#, 4312),
        (r#"{"Event":"message"}"#, 4312),
    ] {
        client.send_message(text).await;
        let frame = client.expect_error(code).await;
        assert_eq!(
            (frame.channel(), &frame.value["data"]["event"]),
            ("", &json!("")),
            "{text}"
        );
        client.expect_nothing().await;
    }
}

pub(crate) async fn events_of_the_protocol_that_there_are_not_are_4313(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    for event in [
        "pusher:nonsense",
        "pusher:",
        "pusher:error",
        "pusher:pong",
        "pusher_internal:published",
        "pusher_internal:",
    ] {
        let frame = json!({"event": event, "channel": "c", "data": {"channel": "c"}});
        let answer = complaint(&mut client, frame, 4313).await;
        assert_eq!(answer.value["data"]["event"], event);
    }
    for event in ["pusher", "Pusher:subscribe", "client-x", "pusher_internal"] {
        client
            .publish("c", event, json!("x"), json!({"echo": true}))
            .await;
        client.expect(event).await;
    }
}

pub(crate) async fn missing_or_mistyped_fields_are_4314(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("c").await;
    for event in ["pusher:subscribe", "pusher:unsubscribe", "pusher:latest"] {
        for data in [
            json!(null),
            json!("c"),
            json!(7),
            json!(["c"]),
            json!({}),
            json!({"channel": null}),
            json!({"channel": 7}),
        ] {
            complaint(&mut client, json!({"event": event, "data": data}), 4314).await;
        }
        complaint(&mut client, json!({"event": event, "channel": "c"}), 4314).await;
    }
    for (name, value) in [
        ("channel", json!(null)),
        ("channel", json!(7)),
        ("channel", json!(["c"])),
        ("echo", json!("true")),
        ("echo", json!(1)),
        ("persist", json!("no")),
        ("persist", json!(0)),
        ("ref", json!(7)),
        ("ref", json!(["7"])),
        ("ref", json!("x".repeat(65))),
    ] {
        let mut frame = json!({"event": "message", "channel": "c", "data": "x"});
        frame[name] = value;
        complaint(&mut client, frame, 4314).await;
    }
    for (name, value) in [
        ("skip", json!(-1)),
        ("skip", json!(1.5)),
        ("count", json!("10")),
        ("count", json!(-1)),
        ("count", json!([])),
    ] {
        let mut data = json!({"channel": "c"});
        data[name] = value;
        complaint(
            &mut client,
            json!({"event": "pusher:latest", "data": data}),
            4314,
        )
        .await;
    }
    for data in [
        json!([]),
        json!(7),
        json!("nonsense"),
        json!("[]"),
        json!("\"u1\""),
    ] {
        let subscribe = json!({"channel": "presence-c", "auth": client.auth("presence-c"), "channel_data": data});
        complaint(
            &mut client,
            json!({"event": "pusher:subscribe", "data": subscribe}),
            4314,
        )
        .await;
    }
}

pub(crate) async fn names_that_may_not_be_are_4315(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let long = "x".repeat(201);
    for name in [
        "",
        "a\u{0}b",
        "a\nb",
        "a\u{7f}",
        "\u{9f}",
        long.as_str(),
        "personal-",
        "peer-a",
        "peer-a:b",
        "peer-:a&b",
        "peer-a:b&a",
    ] {
        for event in ["pusher:subscribe", "pusher:unsubscribe", "pusher:latest"] {
            complaint(
                &mut client,
                json!({"event": event, "data": {"channel": name}}),
                4315,
            )
            .await;
        }
        let answer = complaint(
            &mut client,
            json!({"event": "message", "channel": name, "data": "x"}),
            4315,
        )
        .await;
        assert!(
            answer.channel().chars().count() <= 200,
            "a long name is not sent back whole"
        );
    }
    client.subscribe("c").await;
    for name in ["", "a\u{0}b", "a\tb", long.as_str()] {
        let answer = complaint(
            &mut client,
            json!({"event": name, "channel": "c", "data": "x"}),
            4315,
        )
        .await;
        assert!(
            answer.value["data"]["event"]
                .as_str()
                .unwrap()
                .chars()
                .count()
                <= 200
        );
    }
    let answer = complaint(
        &mut client,
        json!({"event": format!("pusher:{long}")}),
        4313,
    )
    .await;
    assert!(
        answer.value["data"]["event"]
            .as_str()
            .unwrap()
            .chars()
            .count()
            <= 200
    );
}

pub(crate) async fn names_may_hold_what_is_printed(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let long = "é".repeat(200);
    for name in [
        "a b",
        " ",
        "a/b?c=d&e#f",
        "\"quoted\\",
        "日本語",
        "🦀",
        "$set",
        "a.b",
        "_id",
        "%00",
        long.as_str(),
    ] {
        client.subscribe(name).await;
        let said = client.publish_stored(name, name, json!(name)).await;
        assert_eq!(said["serial"], 1, "{name}");
        client
            .publish(
                name,
                name,
                json!(name),
                json!({"echo": true, "persist": false}),
            )
            .await;
        let frame = client.expect(name).await;
        assert_eq!((frame.channel(), frame.data()), (name, name));
        let state = client.query(json!({"channel": name})).await;
        assert_eq!(
            state["events"][0]["data"],
            json!({"channel": name, "event": name, "data": name})
        );
        client.unsubscribe(name).await;
    }
}

pub(crate) async fn names_that_differ_are_other_channels(env: &TestEnv) {
    let server = env.server().await;
    let names = ["room", "Room", "room ", "roóm", "ro\u{301}om"];
    let mut clients: [Client; 5] = server.clients().await;
    for (client, name) in clients.iter_mut().zip(names) {
        client.subscribe(name).await;
    }
    for name in names {
        server.publish(&[name], "message", name, true).await;
    }
    for (client, name) in clients.iter_mut().zip(names) {
        let frame = client.expect("message").await;
        assert_eq!((frame.data(), frame.serial()), (name, 1));
        client.expect_nothing().await;
    }
}

pub(crate) async fn a_ref_is_repeated_in_every_error(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let reference = "é".repeat(64);
    for (frame, code) in [
        (json!({}), 4312),
        (json!({"event": "pusher:nonsense"}), 4313),
        (json!({"event": "pusher:subscribe", "data": {}}), 4314),
        (
            json!({"event": "pusher:subscribe", "data": {"channel": "private-a"}}),
            4009,
        ),
        (
            json!({"event": "pusher:subscribe", "data": {"channel": ""}}),
            4315,
        ),
        (
            json!({"event": "pusher:unsubscribe", "data": {"channel": "a"}}),
            4317,
        ),
        (
            json!({"event": "pusher:latest", "data": {"channel": "a"}}),
            4317,
        ),
        (json!({"event": "message", "channel": "a"}), 4317),
        (json!({"event": "message", "channel": ""}), 4315),
    ] {
        let plain = complaint(&mut client, frame.clone(), code).await;
        assert!(plain.value["data"].get("ref").is_none(), "{plain:?}");
        let mut frame = frame;
        frame["ref"] = json!(reference);
        let answer = complaint(&mut client, frame, code).await;
        assert_eq!(answer.value["data"]["ref"], json!(reference), "{answer:?}");
    }
}

pub(crate) async fn unknown_fields_are_ignored(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.next_is_invalid();
    client.send(json!({"event": "pusher:subscribe", "x": 1, "data": {"channel": "c", "y": [2], "auth": null, "since": null}})).await;
    client
        .expect_state("pusher_internal:subscription_succeeded", "c")
        .await;
    client.send(json!({"event": "pusher:ping"})).await;
    let frame = client.expect("pusher:pong").await;
    assert_eq!(frame.text, r#"{"event":"pusher:pong","data":"{}"}"#);
}
