use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::model::UserId;

fn decode_frame(text: &str) -> Result<PushiCommand, ErrorFrame> {
    decode(text, &Limits::default()).map(|(command, _)| command)
}

fn code(text: &str) -> u16 {
    decode_frame(text).map_or_else(|error| error.code, |_| 0)
}

fn published(frame: serde_json::Value) -> ClientPublish {
    match decode_frame(&frame.to_string()) {
        Ok(PushiCommand::Publish(publish)) => *publish,
        other => panic!("not a publish: {other:?}"),
    }
}

#[test]
fn every_malformed_frame_has_its_code() {
    for (text, expected) in [
        ("", 4310),
        ("{", 4310),
        ("[1,", 4310),
        ("nonsense", 4310),
        ("{\"event\":\"a\"} x", 4310),
        ("[]", 4311),
        ("\"text\"", 4311),
        ("null", 4311),
        ("{}", 4312),
        (r#"{"event":7}"#, 4312),
        (r#"{"event":"pusher:nonsense"}"#, 4313),
        (r#"{"event":"pusher_internal:x","channel":"c"}"#, 4313),
        (r#"{"event":"message","data":1}"#, 4314),
        (r#"{"event":"message","channel":7}"#, 4314),
        (r#"{"event":"message","channel":"c","echo":1}"#, 4314),
        (r#"{"event":"message","channel":"c","persist":"yes"}"#, 4314),
        (r#"{"event":"message","channel":"c","data":"\ud800"}"#, 4314),
        (r#"{"event":"pusher:subscribe"}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":"c"}"#, 4314),
        (r#"{"event":"pusher:subscribe","data":{}}"#, 4314),
        (
            r#"{"event":"pusher:subscribe","data":{"channel":"c","since":-1}}"#,
            4314,
        ),
        (
            r#"{"event":"pusher:subscribe","data":{"channel":"c","since":1.5}}"#,
            4314,
        ),
        (
            r#"{"event":"pusher:subscribe","data":{"channel":"c","since":"then"}}"#,
            4314,
        ),
        (
            r#"{"event":"pusher:subscribe","data":{"channel":"c","since":99999999999999999999}}"#,
            4314,
        ),
        (
            r#"{"event":"pusher:subscribe","data":{"channel":"presence-c","channel_data":[]}}"#,
            4314,
        ),
        (
            r#"{"event":"pusher:latest","data":{"channel":"c","skip":-1}}"#,
            4314,
        ),
        (r#"{"event":"","channel":"c"}"#, 4315),
        (r#"{"event":"message","channel":""}"#, 4315),
        (r#"{"event":"mes\u0000sage","channel":"c"}"#, 4315),
        (r#"{"event":"message","channel":"c","ref":7}"#, 4314),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
    let long = json!({"event": "message", "channel": "c", "ref": "x".repeat(65)});
    assert_eq!(code(&long.to_string()), 4314);
}

#[test]
fn a_publish_has_the_protocol_defaults() {
    let publish = published(json!({"event": "message", "channel": "c", "data": "x"}));
    assert!(publish.persist && !publish.echo && publish.reference.is_none());
    let publish = published(
        json!({"event": "message", "channel": "c", "data": "x", "persist": false, "echo": true, "ref": "7"}),
    );
    assert!(!publish.persist && publish.echo);
    assert_eq!(publish.reference.as_deref(), Some("7"));
}

#[test]
fn data_is_a_string_or_the_text_of_its_json() {
    let data = |value: serde_json::Value| {
        published(json!({"event": "m", "channel": "c", "data": value}))
            .payload
            .data
            .to_string()
    };
    assert_eq!(data(json!("x\n")), "x\n");
    assert_eq!(
        data(json!({"b": [1, null], "a": "é"})),
        r#"{"b":[1,null],"a":"é"}"#
    );
    assert_eq!(
        published(json!({"event": "m", "channel": "c"}))
            .payload
            .data
            .as_ref(),
        "null"
    );
    let Ok(PushiCommand::Publish(publish)) =
        decode_frame(r#"{"event":"m","channel":"c","data": { "n" : 1.0 } }"#)
    else {
        panic!()
    };
    assert_eq!(publish.payload.data.as_ref(), r#"{"n":1.0}"#);
}

#[test]
fn further_fields_of_a_client_publish_are_dropped() {
    let publish = published(
        json!({"event": "m", "channel": "c", "data": "", "user_id": "u", "mid": "x", "else": 1}),
    );
    assert!(publish.payload.extra.is_empty());
}

#[test]
fn channel_data_is_an_object_or_a_string_that_contains_one() {
    let data = |value: serde_json::Value| {
        match decode_frame(
        &json!({"event": "pusher:subscribe", "data": {"channel": "presence-c", "channel_data": value}}).to_string(),
    ) {
        Ok(PushiCommand::Subscribe(subscribe)) => subscribe.channel_data.unwrap(),
        other => panic!("not a subscription: {other:?}"),
    }
    };
    let object = data(json!({"user_id": "u1", "peer": true}));
    assert_eq!(object.user_id.as_ref().map(UserId::as_str), Some("u1"));
    assert!(object.peer);
    let string = data(json!("{\"user_id\": \"u1\", \"name\":\"Ann\"}"));
    assert_eq!(
        &*string.signed, "{\"user_id\": \"u1\", \"name\":\"Ann\"}",
        "the signature covers the text as sent"
    );
    assert_eq!(string.object, string.signed);
    let number = data(json!({"user_id": 10, "name": "Ann"}));
    assert_eq!(
        &*number.object, r#"{"user_id":"10","name":"Ann"}"#,
        "a user id is always sent as a string"
    );
    assert_eq!(data(json!({"name": "Ann"})).user_id, None);
    assert_eq!(data(json!({"user_id": ""})).user_id, None);
    assert!(!data(json!({"user_id": "u", "peer": 1})).peer);
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "pusher:subscribe",
        "pusher:latest",
        "pusher:unsubscribe",
        "pusher:x",
        "message",
        "presence-a",
        "peer-a:b&c",
        "now",
        "",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let name = prop::sample::select(vec![
        "event",
        "channel",
        "data",
        "auth",
        "channel_data",
        "since",
        "skip",
        "count",
        "echo",
        "persist",
        "ref",
        "user_id",
        "peer",
        "x",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                serde_json::Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_command_or_an_error(text in any::<String>()) {
        let _ = decode_frame(&text);
    }

    #[test]
    fn any_json_is_a_command_or_an_error(value in arbitrary_json()) {
        let _ = decode_frame(&value.to_string());
    }
}
