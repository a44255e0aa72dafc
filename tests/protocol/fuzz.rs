//! Fuzzing: no frame of a client ends its session or disturbs another.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pushi_test_support::{Client, TestEnv, TestServer};
use serde_json::{Map, Value, json};

const NAMES: [&str; 20] = [
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
    "mid",
    "serial",
    "publish",
    "extra",
    "members",
    "",
    "\u{0}",
];

const WORDS: [&str; 24] = [
    "pusher:subscribe",
    "pusher:unsubscribe",
    "pusher:latest",
    "pusher:ping",
    "pusher:pong",
    "pusher:error",
    "pusher_internal:published",
    "message",
    "client-x",
    "c",
    "d",
    "private-a",
    "presence-a",
    "personal-u1",
    "peer-a:u1&u2",
    "peer-a:u2&u1",
    "u1",
    "u2",
    "now",
    "",
    "null",
    "{\"user_id\":\"u1\",\"peer\":true}",
    "\u{0}",
    "🦀",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => prop::sample::select(&WORDS[..]).prop_map(Into::into),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Into::into),
        1 => any::<i64>().prop_map(Into::into),
        1 => any::<u64>().prop_map(Into::into),
        1 => (0..5_u64).prop_map(Into::into),
        1 => any::<f64>().prop_map(Into::into),
        1 => any::<String>().prop_map(Into::into),
        1 => "[a-z]{1,300}".prop_map(Into::into),
    ]
}

fn object(value: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(&NAMES[..]), value), 0..7).prop_map(|members| {
        Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(
        4,
        40,
        7,
        |inner| prop_oneof![3 => object(inner.clone()), 1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array)],
    )
}

/// Values, and what looks more like a frame: events and channels where they belong.
fn frame() -> impl Strategy<Value = Value> {
    let word = || prop::sample::select(&WORDS[..]).prop_map(Value::from);
    let nearly = (
        word(),
        word(),
        any_value(),
        object(any_value()),
        any::<bool>(),
    )
        .prop_map(|(event, channel, data, further, inside)| {
            let Value::Object(mut frame) = further else {
                return Value::Null;
            };
            let mut data = data;
            if let (true, Value::Object(data)) = (inside, &mut data) {
                data.insert("channel".to_owned(), channel.clone());
            }
            frame.extend(Map::from_iter([
                ("event".to_owned(), event),
                ("channel".to_owned(), channel),
                ("data".to_owned(), data),
            ]));
            Value::Object(frame)
        });
    prop_oneof![3 => nearly, 1 => any_value()]
}

/// Signs what would be refused for want of a signature, so that it gets further.
fn signed(client: &Client, mut frame: Value) -> Value {
    let channel = frame
        .pointer("/data/channel")
        .and_then(Value::as_str)
        .map(str::to_owned);
    if let (Some(channel), Some(data)) = (
        channel,
        frame.pointer_mut("/data").and_then(Value::as_object_mut),
    ) {
        if data
            .get("channel_data")
            .is_none_or(|data| !data.is_object())
        {
            data.insert(
                "channel_data".to_owned(),
                json!({"user_id": "u1", "peer": true}),
            );
        }
        data.insert("auth".to_owned(), client.auth(&channel).into());
    }
    frame
}

/// Reads until the answer to a ping.
async fn lives(client: &mut Client, after: &str) {
    client.send(json!({"event": "pusher:ping"})).await;
    let reading = async { while client.next().await.event() != "pusher:pong" {} };
    tokio::time::timeout(pushi_test_support::PATIENCE, reading)
        .await
        .unwrap_or_else(|_| panic!("no life after {after}"));
}

async fn watched<'a>(server: &TestServer<'a>) -> [Client; 2] {
    let [mut client, mut watcher] = server.clients().await;
    server.add_subscription("u1", "d").await;
    for (client, user) in [(&mut watcher, "u2"), (&mut client, "u1")] {
        for channel in ["c", "private-a", "presence-a", "personal-u1"] {
            client
                .join(channel, json!({"user_id": user, "peer": true}))
                .await;
        }
    }
    [client, watcher]
}

pub(crate) async fn json_of_all_kinds(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, mut watcher] = watched(&server).await;
    let mut runner = TestRunner::default();
    for round in 0..1500 {
        let frame = frame().new_tree(&mut runner).unwrap().current();
        let frame = if round % 2 == 0 {
            frame
        } else {
            signed(&client, frame)
        };
        client.next_may_be_invalid();
        client.send(frame.clone()).await;
        lives(&mut client, &frame.to_string()).await;
        // Whatever it was made of, everybody else gets frames that can be read.
        lives(&mut watcher, &frame.to_string()).await;
    }
}

pub(crate) async fn text_of_all_kinds(env: &TestEnv) {
    // Events that waited behind one that a slow store was writing are released at once.
    let server = env
        .server_with(|setup| setup.rules.limits.pending_bytes = 0)
        .await;
    let [mut client, _watcher] = watched(&server).await;
    let mut runner = TestRunner::default();
    let text = prop_oneof![
        any::<String>(),
        (frame(), any::<prop::sample::Index>()).prop_map(|(frame, cut)| {
            let text: Vec<char> = frame.to_string().chars().collect();
            text[..cut.index(text.len().max(1)).min(text.len())].iter().collect()
        }),
        (frame(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(frame, at, other)| {
            let mut text: Vec<char> = frame.to_string().chars().collect();
            let at = at.index(text.len());
            text[at] = other;
            text.into_iter().collect()
        }),
        (0..40_000_usize).prop_map(|depth| format!("{{\"event\":\"m\",\"channel\":\"c\",\"data\":{}", "[".repeat(depth))),
        (0..20_000_usize).prop_map(|depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"c","channel_data":{open}{close}}}}}"#)
        }),
        // Not kept: all of them, replayed at once, are more than may wait for a client.
        (0..20_000_usize).prop_map(|depth| {
            let (open, close) = ("{\"a\":".repeat(depth / 3), "}".repeat(depth / 3));
            format!(r#"{{"event":"m","channel":"c","echo":true,"persist":false,"data":{open}1{close}}}"#)
        }),
    ];
    for _ in 0..600 {
        let text = text.new_tree(&mut runner).unwrap().current();
        client.send_message(text.clone()).await;
        // Frames with too deep data are not for a JSON reader with a limit, so only their end is looked for.
        client.send(json!({"event": "pusher:ping"})).await;
        while client.text().await != r#"{"event":"pusher:pong","data":"{}"}"# {}
    }
}

pub(crate) async fn bytes_of_all_kinds(env: &TestEnv) {
    let server = env.server().await;
    let mut witness = server.subscribed("c").await;
    let mut runner = TestRunner::default();
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    for _ in 0..300 {
        let (mut near, far) = tokio::io::duplex(100_000);
        let ended = server.serve(&server.app.key, None, false, far);
        let noise = bytes.new_tree(&mut runner).unwrap().current();
        tokio::io::AsyncWriteExt::write_all(&mut near, &noise)
            .await
            .unwrap();
        drop(near);
        tokio::time::timeout(pushi_test_support::PATIENCE, ended)
            .await
            .unwrap()
            .unwrap();
    }
    server.publish_transient("c", "goes on").await;
    witness.expect("call").await;
    assert_eq!(server.service.hub().connections(), 1);
}
