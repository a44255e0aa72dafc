//! The members of events that the original stored.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pushi::inbound::wire::history_json;
use serde_json::{Value, json};

use super::original::{Original, history};
use crate::fixture::{Fixture, Mongo};

async fn publish(original: &Original, mid: &str, data: Document) {
    let event = doc! { "mid": mid, "channel": "room", "owner_id": Bson::Null, "timestamp": 1_700_000_000.25, "data": data };
    original.store("pushievent", event).await;
}

/// The history form of the events in `room`, oldest first.
async fn answers<const OTHER: bool>(database: &Mongo<OTHER>) -> Vec<(String, Value)> {
    let events = history(&database.open().await, "room").await;
    let texts = events.iter().map(history_json);
    texts
        .map(|text| {
            let parsed =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            (text, parsed)
        })
        .collect()
}

pub(super) async fn members_of_the_original_keep_their_types<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    let id = ObjectId::from_bytes([0xab; 12]);
    let further = doc! {
        "extra": { "a": { "b": Bson::Null }, "n": 2.5 },
        "whole": 2.0, "huge": 1e300, "int": 7_i32, "long": 9_007_199_254_740_993_i64, "yes": true, "no": Bson::Null,
        "at": DateTime::from_millis(1_704_164_645_678), "id_of": id, "list": [1, 2.0, { "at": DateTime::from_millis(0) }],
        "}\"{": "}}", "empty": {}, "last": { "of": { "all": {} } },
    };
    let mut data = doc! { "channel": "room", "event": "message", "data": "text", "persist": true };
    data.extend(further);
    publish(&original, "m1", data).await;
    publish(
        &original,
        "m2",
        doc! { "channel": "room", "event": "message", "data": { "a": 1.0, "at": DateTime::from_millis(0), "b": { "c": {} } } },
    )
    .await;
    publish(
        &original,
        "m3",
        doc! { "data": DateTime::from_millis(0), "extra": { "a": {} } },
    )
    .await;
    publish(&original, "m4", doc! {}).await;
    let answers = answers(&database).await;
    let expected = concat!(
        r#""data":{"channel":"room","event":"message","data":"text","extra":{"a":{"b":null},"n":2.5},"whole":2.0,"huge":1e+300,"#,
        r#""int":7,"long":9007199254740993,"yes":true,"no":null,"at":"2024-01-02 03:04:05.678000","#,
        r#""id_of":"abababababababababababab","list":[1,2.0,{"at":"1970-01-01 00:00:00"}],"}\"{":"}}","empty":{},"#,
        r#""last":{"of":{"all":{}}}}}"#
    );
    assert!(answers[0].0.ends_with(expected), "{}", answers[0].0);
    let data = |at: usize| answers[at].1["data"].clone();
    assert_eq!(
        data(1)["data"],
        r#"{"a":1.0,"at":"1970-01-01 00:00:00","b":{"c":{}}}"#
    );
    assert_eq!(
        data(2),
        json!({"channel": "room", "event": "message", "data": "1970-01-01 00:00:00", "extra": {"a": {}}})
    );
    assert_eq!(
        data(3),
        json!({"channel": "room", "event": "message", "data": ""})
    );
}

/// Values that the drivers of the original write, with the JSON that they are.
fn value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![any::<String>(), "[{}\",:\\[\\]\\\\]{0,6}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number))),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let name = text().prop_filter("a name of BSON", |name| !name.contains('\0'));
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(boolean) => (*boolean).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(whole.into(), Bson::from),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => values.iter().map(bson).collect::<Vec<_>>().into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), bson(value)))
            .collect::<Document>()
            .into(),
    }
}

pub(super) async fn any_members_of_the_original_are_given_back<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    let mut runner = TestRunner::default();
    let mut expected = Vec::new();
    for number in 0..48 {
        let [data, first, last] =
            [(); 3].map(|()| value().new_tree(&mut runner).unwrap().current());
        let mut document = doc! { "channel": "room", "event": "message", "data": bson(&data) };
        document.extend(doc! { "first": bson(&first), "last": bson(&last) });
        publish(&original, &format!("m{number}"), document).await;
        let data = match data {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        expected.push(json!({"channel": "room", "event": "message", "data": data, "first": first, "last": last}));
    }
    for ((text, answer), expected) in answers(&database).await.into_iter().zip(expected) {
        assert_eq!(answer["data"], expected, "{text}");
    }
}
