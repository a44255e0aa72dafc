//! Channel data of presence members.

use pushi_test_support::{Client, TestEnv, users};
use serde_json::{Value, json};

const ROOM: &str = "presence-room";

pub(crate) async fn the_newest_data_of_several_tabs_counts(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut first, mut second] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    let name = async |watcher: &mut Client| {
        watcher.query(json!({"channel": ROOM})).await["members"]["ann"]["name"].clone()
    };
    first
        .join(ROOM, json!({"user_id": "ann", "name": "first"}))
        .await;
    watcher.expect("pusher:member_added").await;
    let state = second
        .join(ROOM, json!({"user_id": "ann", "name": "second"}))
        .await;
    assert_eq!(state["members"]["ann"]["name"], "second");
    assert_eq!(name(&mut watcher).await, "second");
    first
        .join(ROOM, json!({"user_id": "ann", "name": "first again"}))
        .await;
    assert_eq!(name(&mut watcher).await, "first again");
    first.abort().await;
    assert_eq!(
        name(&mut watcher).await,
        "second",
        "of who is left the newest"
    );
    second.abort().await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["name"],
        "second"
    );
    watcher.expect_nothing().await;
}

pub(crate) async fn a_numeric_user_id_is_its_text(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut number, mut text] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    let state = number
        .join(ROOM, json!({"user_id": 42, "name": "Ann"}))
        .await;
    assert_eq!(
        state["members"]["42"],
        json!({"user_id": "42", "name": "Ann"})
    );
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(frame.member(), json!({"user_id": "42", "name": "Ann"}));
    text.join(ROOM, json!({"user_id": "42"})).await;
    watcher.expect_nothing().await;
    for (channel, id, shown) in [
        ("presence-a", "-7", "-7"),
        ("presence-b", "0", "0"),
        ("presence-c", "9007199254740993", "9007199254740993"),
        ("presence-d", "18446744073709551615", "18446744073709551615"),
        ("presence-e", "1.5", "1.5"),
    ] {
        let auth = text.auth(channel);
        let data = format!(
            r#"{{"channel":"{channel}","auth":"{auth}","channel_data":{{"user_id":{id}}}}}"#
        );
        text.send_message(format!(r#"{{"event":"pusher:subscribe","data":{data}}}"#))
            .await;
        let state = text
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
        assert_eq!(users(&state), [shown]);
    }
}

pub(crate) async fn channel_data_may_be_a_string(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    let data = r#"{"user_id": "ann", "name": "Ann", "n": 1.0, "big": 12345678901234567890123}"#;
    let state = client
        .subscribe_with(ROOM, json!({"channel_data": data}))
        .await;
    assert_eq!(state["members"]["ann"]["name"], "Ann");
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(frame.value["member"], data, "the same text as it was sent");
    // The same user in either form of the data.
    server
        .client()
        .await
        .join(ROOM, json!({"user_id": "ann"}))
        .await;
    watcher.expect_nothing().await;
}

/// Texts of members that no number or string of most languages holds.
const UNUSUAL: [&str; 6] = [
    r#""n":123456789012345678901234567890,"m":0.12345678901234567890123"#,
    r#""e":1e999,"z":-0.0,"p":1.50"#,
    r#""half":"\ud83d","low":"x\udc00","\ud83d":"name""#,
    r#""name":"\u0041\/\u00e9","name":"twice""#,
    r#""spaced" : [ 1 , { "a" : null } ]"#,
    r#""deep":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"#,
];

pub(crate) async fn a_members_text_is_passed_on_as_it_was_signed(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.signed_presence = true)
        .await;
    for (index, unusual) in UNUSUAL.iter().enumerate() {
        for (id, shown) in [(r#""u""#, r#""u""#), ("7", r#""7""#)] {
            let room = format!("presence-{index}{id}").replace('"', "");
            let data = format!("{{{unusual},\"user_id\":{id}}}");
            let member = format!("{{{unusual},\"user_id\":{shown}}}");
            let [mut watcher, mut client] = server.clients().await;
            let own = r#"{"user_id":"watcher"}"#;
            let auth = watcher.auth_over(&room, own);
            watcher
                .send_subscribe_data(json!({"channel": room, "auth": auth, "channel_data": own}))
                .await;
            watcher
                .expect("pusher_internal:subscription_succeeded")
                .await;
            // As an object, as it stands in the frame, and as a string.
            let string = json!(data).to_string();
            for sent in [&data, &string] {
                let auth = client.auth_over(&room, &data);
                let subscribe =
                    format!(r#"{{"channel":"{room}","auth":"{auth}","channel_data":{sent}}}"#);
                client
                    .send_message(format!(
                        r#"{{"event":"pusher:subscribe","data":{subscribe}}}"#
                    ))
                    .await;
                let frame = client
                    .expect("pusher_internal:subscription_succeeded")
                    .await;
                assert!(frame.data().contains(&member), "{member}: {frame:?}");
                let frame = watcher.expect("pusher:member_added").await;
                assert_eq!(frame.value["member"], member);
                client
                    .send(json!({"event": "pusher:unsubscribe", "data": {"channel": room}}))
                    .await;
                client.next().await;
                let frame = watcher.expect("pusher:member_removed").await;
                assert_eq!(frame.value["member"], member);
            }
        }
    }
}

pub(crate) async fn presence_without_a_user_id_is_4316(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let long = "x".repeat(129);
    for id in [
        json!(null),
        json!(""),
        json!(true),
        json!([]),
        json!({"id": 1}),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!(long),
    ] {
        if !id.is_null() {
            client.next_is_invalid();
        }
        client
            .send_subscribe(ROOM, json!({"channel_data": {"user_id": id}}))
            .await;
        client.expect_error(4316).await;
    }
    for data in [json!({}), json!({"name": "Ann"}), json!("{}"), Value::Null] {
        client
            .send_subscribe(ROOM, json!({"channel_data": data}))
            .await;
        client.expect_error(4316).await;
    }
    client.send_subscribe(ROOM, json!({})).await;
    client.expect_error(4316).await;
    server.publish_transient(ROOM, "hello").await;
    client.expect_nothing().await;
    assert_eq!(
        users(&client.join(ROOM, json!({"user_id": "é".repeat(128)})).await),
        ["é".repeat(128)]
    );
}

pub(crate) async fn unusual_user_ids_are_distinguished(env: &TestEnv) {
    let server = env.server().await;
    let ids = [
        " ",
        "a",
        "A",
        "a ",
        "\"",
        "\\",
        "é",
        "e\u{301}",
        "🦀",
        "__proto__",
        "$set",
        "a.b",
        "<script>",
        "a&b",
    ];
    let mut clients = Vec::new();
    for id in ids {
        let mut client = server.client().await;
        client.join(ROOM, json!({"user_id": id})).await;
        clients.push(client);
    }
    let state = server
        .client()
        .await
        .join(ROOM, json!({"user_id": "last"}))
        .await;
    assert_eq!(users(&state)[..ids.len()], ids);
}

pub(crate) async fn channel_data_over_the_limit_is_4318(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.member_bytes = 64)
        .await;
    let mut client = server.client().await;
    let data = |bytes: usize| {
        let shell = r#"{"user_id":"u","x":""}"#.len();
        json!({"user_id": "u", "x": "x".repeat(bytes - shell)})
    };
    client
        .send_subscribe(ROOM, json!({"channel_data": data(65)}))
        .await;
    let frame = client.expect_error(4318).await;
    assert!(frame.message().contains("max_member_bytes"), "{frame:?}");
    client.expect_nothing().await;
    client.join(ROOM, data(64)).await;
    server
        .set(|settings| settings.limits.max_member_bytes = Some(65))
        .await;
    client.join(ROOM, data(65)).await;
    server
        .set(|settings| settings.limits.max_member_bytes = Some(0))
        .await;
    client.join(ROOM, data(10_000)).await;
}

pub(crate) async fn a_refresh_that_is_refused_changes_nothing(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut client] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    client
        .join(ROOM, json!({"user_id": "ann", "name": "Ann"}))
        .await;
    watcher.expect("pusher:member_added").await;
    for (data, code) in [
        (json!({"user_id": "ann", "x": "x".repeat(2000)}), 4318),
        (json!({"name": "Bo"}), 4316),
        (json!({"user_id": "a&b", "peer": true}), 4316),
        (json!(7), 4314),
    ] {
        if code == 4314 {
            client.next_is_invalid();
        }
        client
            .send_subscribe(ROOM, json!({"channel_data": data}))
            .await;
        client.expect_error(code).await;
    }
    client.next_is_invalid();
    client
        .send_subscribe(
            ROOM,
            json!({"channel_data": {"user_id": "bo"}, "since": "then"}),
        )
        .await;
    client.expect_error(4314).await;
    watcher.expect_nothing().await;
    let state = watcher.query(json!({"channel": ROOM})).await;
    assert_eq!(
        state["members"]["ann"],
        json!({"user_id": "ann", "name": "Ann"})
    );
    server.publish_transient(ROOM, "hello").await;
    client.expect("call").await;
}

pub(crate) async fn one_of_two_first_connections_joins(env: &TestEnv) {
    let server = env.server().await;
    let [mut watcher, mut first, mut second] = server.clients().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    let ann = json!({"user_id": "ann"});
    for round in 0..100 {
        let (one, two) = tokio::join!(
            first.join(ROOM, ann.clone()),
            second.join(ROOM, ann.clone())
        );
        assert_eq!(
            (users(&one), users(&two)),
            (vec!["watcher", "ann"], vec!["watcher", "ann"]),
            "round {round}"
        );
        watcher.expect("pusher:member_added").await;
        watcher.expect_nothing().await;
        tokio::join!(first.unsubscribe(ROOM), second.unsubscribe(ROOM));
        watcher.expect("pusher:member_removed").await;
        watcher.expect_nothing().await;
        first.expect_nothing().await;
        second.expect_nothing().await;
    }
}

pub(crate) async fn a_list_and_its_announcements_agree(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = server.client().await;
    let mut clients: [Client; 4] = server.clients().await;
    // Others join and leave while one client resubscribes: its list and the following announcements always agree.
    let coming_and_going = async {
        let rounds = clients
            .iter_mut()
            .enumerate()
            .map(|(index, client)| async move {
                for _ in 0..40 {
                    client
                        .send_subscribe(
                            ROOM,
                            json!({"channel_data": {"user_id": format!("u{index}")}}),
                        )
                        .await;
                    while client.next().await.event() != "pusher_internal:subscription_succeeded" {}
                    client
                        .send(json!({"event": "pusher:unsubscribe", "data": {"channel": ROOM}}))
                        .await;
                    while client.next().await.event() != "pusher_internal:unsubscription_succeeded"
                    {
                    }
                }
            });
        futures_util::future::join_all(rounds).await;
    };
    let watching = async {
        for _ in 0..40 {
            let state = watcher.join(ROOM, json!({"user_id": "watcher"})).await;
            let mut there: Vec<String> = users(&state).into_iter().map(str::to_owned).collect();
            watcher
                .send(json!({"event": "pusher:latest", "data": {"channel": ROOM}}))
                .await;
            loop {
                let frame = watcher.next().await;
                let who = || frame.member()["user_id"].as_str().unwrap().to_owned();
                match frame.event() {
                    "pusher:member_added" => {
                        assert!(!there.contains(&who()), "{} came, who was there", who());
                        there.push(who());
                    }
                    "pusher:member_removed" => {
                        assert!(there.contains(&who()), "{} went, who was not there", who());
                        there.retain(|known| *known != who());
                    }
                    _ => break,
                }
            }
            watcher
                .send(json!({"event": "pusher:unsubscribe", "data": {"channel": ROOM}}))
                .await;
            while watcher.next().await.event() != "pusher_internal:unsubscription_succeeded" {}
        }
    };
    tokio::join!(coming_and_going, watching);
}
