//! Past events, queried with `pusher:latest`.

use pushi_test_support::{TestEnv, event_texts, serials, users};
use serde_json::{Value, json};

pub(crate) async fn the_newest_come_first(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.subscribed("c").await;
    assert_eq!(
        client.query(json!({"channel": "c"})).await["events"],
        json!([])
    );
    for text in ["1", "2", "3"] {
        client.publish_stored("c", "message", json!(text)).await;
    }
    client
        .publish("c", "message", json!("not kept"), json!({"persist": false}))
        .await;
    let state = client
        .query(json!({"channel": "c", "skip": 0, "count": 10}))
        .await;
    assert_eq!(
        (event_texts(&state), serials(&state)),
        (vec!["3", "2", "1"], vec![3, 2, 1])
    );
    assert_eq!(
        (&state["members"], &state["alias"]),
        (&json!({}), &json!([]))
    );
    assert_eq!(state.get("recovered"), None);
}

pub(crate) async fn an_event_has_the_form_of_the_page(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, mut other] = server.clients().await;
    client.subscribe("global").await;
    other.subscribe("global").await;
    client
        .publish("global", "chat", json!({"x": 1}), json!({}))
        .await;
    let live = other.expect("chat").await;
    let state = client.query(json!({"channel": "global"})).await;
    let event = &state["events"][0];
    let names: Vec<&String> = event.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
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
    assert!(event["id"].as_u64().unwrap() > 0);
    assert_eq!(event["instance"], server.app.ident.as_str());
    assert_eq!(event["owner_id"], client.id.as_str());
    assert_eq!(event["channel"], "global");
    for member in ["mid", "timestamp", "serial"] {
        assert_eq!(event[member], live.value[member]);
    }
    assert_eq!(event["date"], "November 22, 2026 08:44:49 UTC");
    assert_eq!(
        event["data"],
        json!({"channel": "global", "event": "chat", "data": "{\"x\":1}"})
    );
    server.publish_texts("global", &["x"]).await;
    client.expect("message").await;
    assert_eq!(
        client.query(json!({"channel": "global"})).await["events"][0]["owner_id"],
        Value::Null
    );
}

pub(crate) async fn skip_and_count_make_pages(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let texts: Vec<String> = (1..=15).map(|n| n.to_string()).collect();
    server
        .publish_texts("c", &texts.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    server.publish_texts("elsewhere", &["x"]).await;
    client.subscribe("c").await;
    for (data, expected) in [
        (json!({}), (6..=15).rev().collect::<Vec<u64>>()),
        (json!({"count": 3}), vec![15, 14, 13]),
        (json!({"skip": 3, "count": 3}), vec![12, 11, 10]),
        (json!({"skip": 12}), vec![3, 2, 1]),
        (json!({"skip": 14, "count": 1}), vec![1]),
        (json!({"skip": 15}), vec![]),
        (json!({"skip": 1_000_000_000}), vec![]),
        (json!({"skip": i64::MAX, "count": i64::MAX}), vec![]),
        (json!({"count": 0}), vec![]),
        (
            json!({"skip": null, "count": null}),
            (6..=15).rev().collect(),
        ),
    ] {
        let mut data = data;
        data["channel"] = json!("c");
        assert_eq!(
            serials(&client.query(data.clone()).await),
            expected,
            "{data}"
        );
    }
}

pub(crate) async fn a_count_over_the_limit_is_cut(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.history = 4)
        .await;
    let mut client = server.client().await;
    server
        .publish_texts("c", &["1", "2", "3", "4", "5", "6"])
        .await;
    server.add_subscription("ann", "d").await;
    server
        .publish_texts("d", &["1", "2", "3", "4", "5", "6"])
        .await;
    client.subscribe("c").await;
    client.subscribe("personal-ann").await;
    assert_eq!(
        event_texts(&client.query(json!({"channel": "c", "count": 100})).await),
        ["6", "5", "4", "3"]
    );
    assert_eq!(
        event_texts(
            &client
                .query(json!({"channel": "c", "count": i64::MAX}))
                .await
        ),
        ["6", "5", "4", "3"]
    );
    assert_eq!(
        event_texts(&client.query(json!({"channel": "c"})).await),
        ["6", "5", "4", "3"]
    );
    assert_eq!(
        event_texts(&client.query(json!({"channel": "c", "count": 2})).await),
        ["6", "5"]
    );
    assert_eq!(
        event_texts(
            &client
                .query(json!({"channel": "personal-ann", "count": 100}))
                .await
        ),
        ["6", "5", "4", "3"]
    );
}

pub(crate) async fn a_personal_channel_returns_the_inbox(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("a", &["before"]).await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    server.publish_texts("a", &["1"]).await;
    server.publish_texts("b", &["2"]).await;
    server.publish_texts("personal-ann", &["3"]).await;
    server.remove_subscription("ann", "b").await;
    server.publish_texts("b", &["after"]).await;
    server.publish_texts("a", &["4"]).await;
    let mut client = server.client().await;
    client.subscribe("personal-ann").await;
    let state = client.query(json!({"channel": "personal-ann"})).await;
    assert_eq!(
        event_texts(&state),
        ["4", "3", "2", "1"],
        "what came before an end stays"
    );
    assert_eq!(state["alias"], json!(["a"]));
    assert_eq!(
        event_texts(
            &client
                .query(json!({"channel": "personal-ann", "skip": 1, "count": 2}))
                .await
        ),
        ["3", "2"]
    );
    assert_eq!(
        event_texts(
            &client
                .query(json!({"channel": "personal-ann", "skip": 4}))
                .await
        ),
        [""; 0]
    );
    assert_eq!(
        event_texts(
            &client
                .query(json!({"channel": "personal-ann", "skip": i64::MAX}))
                .await
        ),
        [""; 0]
    );
    let state = client.query(json!({"channel": "a"})).await;
    assert_eq!(
        event_texts(&state),
        ["4", "1", "before"],
        "an alias is a channel like any other"
    );
}

pub(crate) async fn a_presence_channel_also_returns_members(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.join("presence-a", json!({"user_id": "ann"})).await;
    server.publish_texts("presence-a", &["1"]).await;
    client.expect("message").await;
    let state = client.query(json!({"channel": "presence-a"})).await;
    assert_eq!(
        (users(&state), event_texts(&state)),
        (vec!["ann"], vec!["1"])
    );
    assert_eq!(
        users(&client.unsubscribe("presence-a").await),
        [""; 0],
        "who has left is not listed"
    );
}

pub(crate) async fn non_subscribers_may_not_query(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("c", &["secret"]).await;
    let mut client = server.client().await;
    for event in ["pusher:latest", "pusher:unsubscribe"] {
        for channel in ["c", "private-a", "personal-ann", "peer-a:b&c"] {
            client
                .send(json!({"event": event, "data": {"channel": channel}}))
                .await;
            let frame = client.expect_error(4317).await;
            assert_eq!(
                (frame.channel(), &frame.value["data"]["event"]),
                (channel, &json!(event))
            );
        }
    }
}

pub(crate) async fn pages_go_on_where_events_were_pruned(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("c", &["1", "2", "3", "4", "5"]).await;
    env.prune_all_but(3).await;
    let mut client = server.subscribed("c").await;
    assert_eq!(
        serials(&client.query(json!({"channel": "c"})).await),
        [5, 4, 3]
    );
    assert_eq!(
        serials(&client.query(json!({"channel": "c", "skip": 2})).await),
        [3]
    );
    assert_eq!(
        serials(&client.query(json!({"channel": "c", "skip": 3})).await),
        [0; 0]
    );
    assert_eq!(
        client.publish_stored("c", "message", json!("6")).await["serial"],
        6
    );
}
