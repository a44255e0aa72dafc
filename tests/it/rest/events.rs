//! POST and GET /events.

use std::collections::HashSet;

use poem::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pushi_test_support::{Fault, until};
use serde_json::{Value, json};

use crate::rest::{Api, Setup, create, start};

fn texts(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["data"]["data"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_event_is_stored_and_shown_in_the_form_of_the_protocol_page() {
    let api = start().await;
    api.publish(json!({"data": {"x": 1}})).await;
    let events = api.events("").await;
    let event = events[0].as_object().unwrap();
    let members: Vec<_> = event.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "id",
            "instance",
            "mid",
            "channel",
            "owner_id",
            "timestamp",
            "date",
            "serial",
            "data"
        ]
    );
    assert_eq!(
        (&event["instance"], &event["owner_id"], &event["serial"]),
        (&json!("shop"), &Value::Null, &json!(1))
    );
    assert_eq!(
        (&event["timestamp"], &event["date"]),
        (
            &json!(1_795_337_092.27),
            &json!("November 22, 2026 08:44:52 UTC")
        )
    );
    assert_eq!(
        event["data"],
        json!({"channel": "global", "event": "message", "data": r#"{"x":1}"#})
    );
}

#[tokio::test]
async fn data_is_forwarded_unchanged() {
    let api = start().await;
    let body = r#"{"event":"e","z":1.50,"a":{"b" : [1, 2]},"big":123456789012345678901234567890,"data":{"z" : 1.0, "a":"x y"},
        "mid":"m","serial":9,"owner_id":"o","id":7,"user_id":"u","persist":true}"#;
    assert_eq!(
        api.session(Method::POST, "/events")
            .body("application/json", body)
            .send()
            .await
            .status,
        200
    );
    let text = api.session(Method::GET, "/events").send().await.text;
    let expected = concat!(
        r#""data":{"channel":"global","event":"e","data":"{\"z\":1.0,\"a\":\"x y\"}","#,
        r#""z":1.50,"a":{"b":[1,2]},"big":123456789012345678901234567890}}]}"#
    );
    assert!(text.ends_with(expected), "{text}");
}

#[tokio::test]
async fn any_publish_is_given_back() {
    let api = start().await;
    let mut runner = TestRunner::default();
    let text = || prop_oneof![any::<String>(), r#"[{}\[\]",:\\]{0,8}"#];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let any_value = leaf.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    for _ in 0..64 {
        let [data, first, last] =
            [(); 3].map(|()| any_value.new_tree(&mut runner).unwrap().current());
        let data = if data.is_null() { json!({}) } else { data };
        api.publish(json!({"channel": "c", "data": data, "first": first, "last": last}))
            .await;
        let expected = match &data {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let event = api.events("?channel=c&count=1").await.remove(0);
        assert_eq!(
            event["data"],
            json!({"channel": "c", "event": "message", "data": expected, "first": first, "last": last})
        );
    }
}

#[tokio::test]
async fn the_copies_of_one_publish_share_its_id() {
    let api = start().await;
    api.publish(json!({"channel": ["a", "private-b", "a"], "data": "x"}))
        .await;
    api.publish(json!({"channel": ["c"], "data": "y"})).await;
    let events = api.events("").await;
    let of = |channel: &str| {
        events
            .iter()
            .find(|event| event["channel"] == channel)
            .unwrap()
    };
    assert_eq!(events.len(), 3);
    assert!(of("a")["publish"].is_string());
    assert_eq!(of("a")["publish"], of("private-b")["publish"]);
    assert_ne!(of("a")["mid"], of("private-b")["mid"]);
    assert!(of("c").get("publish").is_none(), "one channel has one copy");
}

#[tokio::test]
async fn a_publish_that_cannot_be() {
    let api = start().await;
    for (body, named) in [
        (json!({}), "data"),
        (json!({"data": null}), "data"),
        (json!({"data": "x", "channel": ""}), "channel"),
        (json!({"data": "x", "channel": "c".repeat(201)}), "200"),
        (json!({"data": "x", "channel": "a\nb"}), "control"),
        (json!({"data": "x", "channel": "peer-room:b&a"}), "peer"),
        (json!({"data": "x", "channel": []}), "1 to 1000"),
        (
            json!({"data": "x", "channel": vec!["a"; 1001]}),
            "1 to 1000",
        ),
        (json!({"data": "x", "channel": {"a": 1}}), "channel"),
        (json!({"data": "x", "event": ""}), "event"),
        (json!({"data": "x", "event": "e".repeat(201)}), "200"),
        (json!({"data": "x", "event": "pusher:ping"}), "protocol"),
        (
            json!({"data": "x", "event": "pusher_internal:x"}),
            "protocol",
        ),
        (json!({"data": "x", "persist": "yes"}), "persist"),
        (json!([]), "object"),
        (json!(7), "object"),
    ] {
        let message = api
            .session(Method::POST, "/events")
            .json(&body)
            .send()
            .await
            .problem(400);
        assert!(message.contains(named), "{body}: {message}");
    }
    assert!(api.events("").await.is_empty());
}

#[tokio::test]
async fn the_newest_of_the_app_over_all_channels() {
    let api = start().await;
    for number in 0..12 {
        api.publish(json!({"channel": format!("c{}", number % 3), "data": number.to_string()}))
            .await;
    }
    api.publish(json!({"data": "not kept", "persist": false}))
        .await;
    assert_eq!(
        texts(&api.events("").await),
        ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]
    );
    assert_eq!(texts(&api.events("?count=2").await), ["11", "10"]);
    assert!(api.events("?count=0").await.is_empty());
    assert_eq!(texts(&api.events("?channel=c1&count=2").await), ["10", "7"]);
    assert_eq!(api.events("?channel=&count=12").await.len(), 12);
    let other = create(&api.service, "other").await;
    let token = api.service.create_session(&other.ident).await.unwrap().text;
    let reply = api.ask(Method::GET, "/events").bearer(&token).send().await;
    assert_eq!(reply.json(), json!({"events": []}));
}

#[tokio::test]
async fn events_after_a_serial_are_oldest_first() {
    let api = start().await;
    for number in 1..=5 {
        api.publish(json!({"channel": "a", "data": number.to_string()}))
            .await;
    }
    assert_eq!(
        texts(&api.events("?channel=a&since=2").await),
        ["3", "4", "5"]
    );
    assert_eq!(
        texts(&api.events("?channel=a&since=2&count=2").await),
        ["3", "4"]
    );
    assert!(api.events("?channel=a&since=5").await.is_empty());
    assert!(api.events("?channel=none&since=0").await.is_empty());
    api.publish(json!({"data": "a publish without a channel goes to global, and so does since"}))
        .await;
    assert_eq!(api.events("?since=0").await.len(), 1);
}

#[tokio::test]
async fn numbers_are_cut_or_refused() {
    let api = start().await;
    for chunk in 0..3 {
        let channels: Vec<_> = (0..40).map(|number| format!("c{chunk}-{number}")).collect();
        api.publish(json!({"channel": channels, "data": "x"})).await;
    }
    assert_eq!(api.events("?count=9223372036854775807").await.len(), 100);
    for query in [
        "count=-1",
        "count=many",
        "count=1.5",
        "count=",
        "count=9223372036854775808",
        "channel=a&since=-1",
        "channel=a&since=now",
    ] {
        let message = api
            .session(Method::GET, &format!("/events?{query}"))
            .send()
            .await
            .problem(400);
        assert!(message.contains("must be an integer from 0"), "{message}");
    }
    api.session(Method::GET, &format!("/events?channel={}", "c".repeat(201)))
        .send()
        .await
        .problem(400);
}

async fn publish_keyed(api: &Api, token: &str, key: &str, body: Value) -> (u16, String) {
    let reply = api
        .ask(Method::POST, "/events")
        .bearer(token)
        .header("idempotency-key", key)
        .json(&body)
        .send()
        .await;
    (reply.status, reply.text)
}

#[tokio::test]
async fn the_same_key_stores_once_and_answers_the_same() {
    let api = start().await;
    let mut answers = HashSet::new();
    for _ in 0..3 {
        answers.insert(publish_keyed(&api, &api.token, "order-17", json!({"data": "x"})).await);
    }
    let again = || publish_keyed(&api, &api.token, "order-17", json!({"data": "x"}));
    let (a, b) = tokio::join!(again(), again());
    answers.extend([a, b]);
    assert_eq!(
        answers,
        HashSet::from([(200, r#"{"result":"success"}"#.to_owned())])
    );
    assert_eq!(api.events("").await.len(), 1);
    publish_keyed(&api, &api.token, "order-18", json!({"data": "y"})).await;
    assert_eq!(texts(&api.events("").await), ["y", "x"]);
    let other = create(&api.service, "other").await;
    let token = api.service.create_session(&other.ident).await.unwrap().text;
    publish_keyed(&api, &token, "order-17", json!({"data": "z"})).await;
    let reply = api
        .ask(Method::GET, "/events")
        .bearer(&token)
        .send()
        .await
        .json();
    assert_eq!(
        reply["events"].as_array().unwrap().len(),
        1,
        "a key is one app's"
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_taken_is_refused() {
    let api = start().await;
    for key in ["", "schlüssel", &"k".repeat(256)] {
        let (status, text) = publish_keyed(&api, &api.token, key, json!({"data": "x"})).await;
        assert!(status == 400 && text.contains("Idempotency-Key"), "{text}");
    }
    assert!(api.events("").await.is_empty());
    // A publish that was refused has not used its key up.
    assert_eq!(
        publish_keyed(
            &api,
            &api.token,
            "again",
            json!({"data": "x", "event": "pusher:x"})
        )
        .await
        .0,
        400
    );
    assert_eq!(
        publish_keyed(&api, &api.token, "again", json!({"data": "x"}))
            .await
            .0,
        200
    );
    assert_eq!(api.events("").await.len(), 1);
}

#[tokio::test]
async fn a_publish_over_the_apps_bound_is_answered_429_and_not_stored() {
    let api = Setup {
        queued_bytes: 1000,
        ..Setup::default()
    }
    .start()
    .await;
    let publish = |text: String| {
        api.session(Method::POST, "/events")
            .json(&json!({"data": text}))
            .send()
    };
    api.store.append.set(Fault::Hang);
    let release = async {
        api.store.append.called(1).await;
        // Refused while another one waits behind the commit.
        let refused = async {
            until("nothing waits", async || {
                api.service.gauges().append_queue_bytes > 0
            })
            .await;
            publish("y".repeat(700)).await
        };
        let waiting = async {
            assert_eq!(publish("x".repeat(500)).await.status, 200);
        };
        let released = async {
            let reply = refused.await;
            api.store.append.set(Fault::None);
            reply
        };
        tokio::join!(waiting, released).1
    };
    let (first, refused) = tokio::join!(publish("first".to_owned()), release);
    assert_eq!(first.status, 200);
    assert_eq!(refused.header("retry-after"), "1");
    let error = refused.json();
    assert_eq!(error["name"], "TooManyRequests");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("PUSHI_MAX_QUEUED_BYTES"),
        "{error}"
    );
    assert_eq!(
        texts(&api.events("").await),
        ["x".repeat(500), "first".to_owned()]
    );
    let one_by_one = publish("z".repeat(5000)).await;
    assert_eq!(one_by_one.status, 200, "above the bound, but nothing waits");
}
