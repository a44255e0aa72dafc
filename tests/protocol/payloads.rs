//! Any payload is given back, in frames and answers that are JSON whatever it holds.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pushi::core::model::{FurtherMembers, Payload, RESERVED_MEMBERS};
use pushi::core::service::Publishing;
use pushi_test_support::{Frame, TestEnv, channel};
use serde_json::{Map, Value, json};

/// The number of payloads; each costs a commit.
const PAYLOADS: usize = 32;

/// Texts, among them such as look like parts of JSON.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), r#"[{}\[\]",:\\]{0,8}"#]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number))),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(text(), value, 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// A payload as its parts: a name, data, and further members.
fn payload() -> impl Strategy<Value = (String, String, Map<String, Value>)> {
    let data = prop_oneof![text(), value().prop_map(|value| value.to_string())];
    let further = members(value()).prop_map(|members| {
        let known = ["event", "channel", "data", "persist"];
        members
            .into_iter()
            .filter(|(name, _)| {
                !known.contains(&name.as_str()) && !RESERVED_MEMBERS.contains(&name.as_str())
            })
            .collect()
    });
    (text().prop_map(|name| format!("m{name}")), data, further)
}

/// Asserts that an object has exactly these members.
fn assert_members(object: &Value, expected: &Map<String, Value>, text: &str) {
    let mut members = object.as_object().unwrap().clone();
    for own in ["mid", "serial", "timestamp"] {
        members.remove(own);
    }
    assert_eq!(&members, expected, "{text}");
}

pub(crate) async fn any_payload_is_given_back(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "c").await;
    let [mut reader, mut transient] = server.clients().await;
    reader.subscribe("c").await;
    transient.subscribe("t").await;
    let mut pusher = server.pusher_on("c").await;
    let mut runner = TestRunner::default();
    let mut all = Vec::new();
    for _ in 0..PAYLOADS {
        let (event, data, further) = payload().new_tree(&mut runner).unwrap().current();
        for (name, persist) in [("c", true), ("t", false)] {
            let quoted = further
                .iter()
                .map(|(name, value)| (Value::from(name.as_str()).to_string(), value.to_string()));
            let payload = Payload {
                event: event.as_str().into(),
                data: data.as_str().into(),
                extra: FurtherMembers::of(quoted),
            };
            let publishing = Publishing {
                channels: vec![channel(name)],
                payload,
                persist,
                idempotency_key: None,
            };
            server.try_publish(publishing).await.unwrap();
        }
        let on = |name: &str| {
            let Value::Object(mut members) = json!({"event": event, "channel": name, "data": data})
            else {
                unreachable!()
            };
            members.extend(further.clone());
            members
        };
        for (client, name) in [(&mut reader, "c"), (&mut transient, "t")] {
            let Frame { value, text } = client.next().await;
            assert_members(&value, &on(name), &text);
        }
        let Frame { value, text } = pusher.next().await;
        let Value::Object(plain) = json!({"event": event, "channel": "c", "data": data}) else {
            unreachable!()
        };
        assert_members(&value, &plain, &text);
        let state = reader.query(json!({"channel": "c", "count": 1})).await;
        assert_members(&state["events"][0]["data"], &on("c"), &state.to_string());
        all.push(on("c"));
    }
    // What is read from the store at once: the past of a channel, and of a user.
    let mut late = server.client().await;
    let replayed = late.subscribe_with("c", json!({"since": 0})).await;
    let past = late.query(json!({"channel": "c", "count": PAYLOADS})).await;
    let inbox = server.client().await.subscribe("personal-ann").await;
    let newest_first = |state: &Value| -> Vec<Value> {
        let events = state["events"].as_array().unwrap();
        events.iter().map(|event| event["data"].clone()).collect()
    };
    let replayed: Vec<Value> = newest_first(&replayed).into_iter().rev().collect();
    for (answer, count) in [
        (replayed, PAYLOADS),
        (newest_first(&past), PAYLOADS),
        (newest_first(&inbox), 10),
    ] {
        assert_eq!(answer.len(), count);
        for (data, expected) in answer.iter().zip(all.iter().rev()) {
            assert_members(data, expected, &data.to_string());
        }
    }
}
