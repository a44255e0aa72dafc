//! POST /apps/<id>/events and /apps/<id>/batch_events.

use poem::http::Method;
use serde_json::{Value, json};

use crate::pusher::{Listener, post, trigger};
use crate::rest::{Api, Setup, start};

const EVENTS: &str = "/apps/shop/events";
const BATCH: &str = "/apps/shop/batch_events";

#[tokio::test]
async fn an_event_reaches_its_channels_once_each_and_not_the_excepted_socket() {
    let api = start().await;
    let (one, two) = (
        Listener::on(&api, "1", &["a", "private-b"]).await,
        Listener::on(&api, "2", &["a"]).await,
    );
    let data = r#"{"x": 1.50, "é":"\u0000"}"#;
    let except = one.0.id().to_string();
    assert_eq!(
        trigger(
            &api,
            json!({"name": "e", "data": data, "channels": ["a", "private-b", "a"]})
        )
        .await,
        json!({})
    );
    assert_eq!(
        two.heard(),
        [json!({"event": "e", "channel": "a", "data": data})]
    );
    assert_eq!(one.events(), ["e", "e"]);
    trigger(
        &api,
        json!({"name": "f", "data": "x", "channel": "a", "socket_id": except}),
    )
    .await;
    assert_eq!((one.events(), two.events()), (vec![], vec!["f".to_owned()]));
    // A well-formed id of no socket; null counts as absent.
    for socket in [
        json!("007.1"),
        json!("1.99999999999999999999999"),
        json!(null),
    ] {
        trigger(
            &api,
            json!({"name": "g", "data": "", "channel": "a", "socket_id": socket, "info": null}),
        )
        .await;
    }
    assert_eq!(one.events(), ["g", "g", "g"]);
}

#[tokio::test]
async fn it_is_stored_only_where_replay_names_the_channel() {
    let api = start().await;
    api.admin(Method::PUT, "/apps/shop")
        .json(&json!({"replay": {"room-": 50}}))
        .send()
        .await;
    trigger(
        &api,
        json!({"name": "e", "data": "x", "channels": ["room-1", "hall"]}),
    )
    .await;
    let events = api.events("").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0]["data"],
        json!({"channel": "room-1", "event": "e", "data": "x"})
    );
}

#[tokio::test]
async fn a_users_own_channel_is_reached_by_its_name() {
    let api = start().await;
    assert_eq!(
        trigger(
            &api,
            json!({"name": "e", "data": "x", "channels": ["#server-to-user-ann b"]})
        )
        .await,
        json!({})
    );
}

#[tokio::test]
async fn info_counts_recipients() {
    let api = start().await;
    let _others = [
        Listener::on(&api, "1", &["presence-a", "news"]).await,
        Listener::on(&api, "1", &["presence-a"]).await,
    ];
    let ask = async |info: &str| {
        trigger(&api, json!({"name": "e", "data": "x", "channels": ["presence-a", "news", "none"], "info": info})).await
    };
    let both = json!({"channels": {
        "presence-a": {"user_count": 1, "subscription_count": 2}, "news": {"subscription_count": 1}, "none": {"subscription_count": 0},
    }});
    assert_eq!(ask("user_count,subscription_count").await, both);
    assert_eq!(
        ask("user_count").await,
        json!({"channels": {"presence-a": {"user_count": 1}, "news": {}, "none": {}}})
    );
    assert_eq!(ask("").await, json!({}));
}

#[tokio::test]
async fn invalid_publishes() {
    let api = start().await;
    let listener = Listener::on(&api, "1", &["a"]).await;
    let event = |member: &str, value: Value| {
        let mut body = json!({"name": "e", "data": "x", "channel": "a"});
        body[member] = value;
        body
    };
    let many: Vec<_> = (0..101).map(|number| format!("c{number}")).collect();
    let refused = [
        (event("name", json!(null)), "name"),
        (event("name", json!(7)), "name"),
        (event("name", json!("")), "event name"),
        (event("name", json!("e".repeat(201))), "200"),
        (event("name", json!("pusher:subscribe")), "protocol"),
        (event("name", json!("pusher_internal:x")), "protocol"),
        (event("data", json!(null)), "data"),
        (event("data", json!({"x": 1})), "data"),
        (event("channel", json!(null)), "channel"),
        (event("channel", json!("")), "channel"),
        (event("channel", json!("a b")), "channel"),
        (event("channel", json!("a".repeat(201))), "200"),
        (event("socket_id", json!("1234")), "socket_id"),
        (event("socket_id", json!("1.a")), "socket_id"),
        (event("socket_id", json!(1.5)), "socket_id"),
        (event("info", json!("cache")), "info"),
        (event("info", json!("members")), "info"),
    ];
    for (body, named) in &refused {
        let message = post(&api, EVENTS, body).await.problem(400);
        assert!(message.contains(named), "{body}: {message}");
        let message = post(
            &api,
            BATCH,
            &json!({"batch": [event("name", json!("good")), body]}),
        )
        .await
        .problem(400);
        assert!(message.contains(named), "{body}: {message}");
    }
    for (channels, named) in [
        (json!([]), "1 to 100"),
        (json!(many), "1 to 100"),
        (json!("a"), "1 to 100"),
        (json!([7]), "1 to 100"),
        (json!(["a", "b c"]), "letters"),
        (json!(["private-encrypted-a", "b"]), "encrypted"),
        (json!(["b", "private-encrypted-cache-a"]), "encrypted"),
    ] {
        let message = post(
            &api,
            EVENTS,
            &json!({"name": "e", "data": "x", "channels": channels}),
        )
        .await
        .problem(400);
        assert!(message.contains(named), "{channels}: {message}");
    }
    for (batch, named) in [
        (json!(null), "batch"),
        (json!(vec![event("name", json!("e")); 11]), "at most 10"),
        (json!([7]), "object"),
    ] {
        let message = post(&api, BATCH, &json!({"batch": batch}))
            .await
            .problem(400);
        assert!(message.contains(named), "{batch}: {message}");
    }
    assert_eq!(
        listener.events(),
        Vec::<String>::new(),
        "of a batch with something wrong nothing is published"
    );
}

#[tokio::test]
async fn as_much_as_may_be() {
    let api = start().await;
    let many: Vec<_> = (0..100).map(|number| format!("c{number}")).collect();
    trigger(
        &api,
        json!({"name": "e".repeat(200), "data": "x", "channels": many}),
    )
    .await;
    trigger(
        &api,
        json!({"name": "e", "data": "x", "channel": "c".repeat(200)}),
    )
    .await;
    trigger(
        &api,
        json!({"name": "e", "data": "x", "channels": ["private-encrypted-a"]}),
    )
    .await;
}

#[tokio::test]
async fn data_over_the_limit_is_413_and_the_limit_is_the_apps() {
    let api = start().await;
    let sized = |size: usize| json!({"name": "e", "channel": "a", "data": "x".repeat(size)});
    trigger(&api, sized(10_240)).await;
    let message = post(&api, EVENTS, &sized(10_241)).await.problem(413);
    assert!(
        message.contains("10240") && message.contains("max_data_bytes"),
        "{message}"
    );
    post(&api, BATCH, &json!({"batch": [sized(10_241)]}))
        .await
        .problem(413);
    let limit = async |limit: Value| {
        api.admin(Method::PUT, "/apps/shop")
            .json(&json!({"max_data_bytes": limit}))
            .send()
            .await;
    };
    limit(json!(3)).await;
    trigger(&api, sized(3)).await;
    post(&api, EVENTS, &sized(4)).await.problem(413);
    limit(json!(0)).await;
    trigger(&api, sized(100_000)).await;
}

#[tokio::test]
async fn a_whole_body_over_the_limit_is_413() {
    let api = Setup {
        body_bytes: 1000,
        ..Setup::default()
    }
    .start()
    .await;
    let body = json!({"name": "e", "channel": "a", "data": "x".repeat(1000)});
    assert!(
        post(&api, EVENTS, &body)
            .await
            .problem(413)
            .contains("PUSHI_MAX_BODY_BYTES")
    );
}

async fn batch(api: &Api, entries: Value) -> Value {
    let reply = post(api, BATCH, &json!({"batch": entries})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

#[tokio::test]
async fn a_batch_goes_out_in_order_and_answers_in_order() {
    let api = start().await;
    let listener = Listener::on(&api, "1", &["presence-a", "b"]).await;
    let entry = |name: &str, channel: &str| json!({"name": name, "channel": channel, "data": "x"});
    let entries: Vec<_> = (0..10)
        .map(|number| entry(&format!("e{number}"), "b"))
        .collect();
    assert_eq!(batch(&api, json!(entries)).await, json!({}));
    assert_eq!(
        listener.events(),
        (0..10)
            .map(|number| format!("e{number}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(batch(&api, json!([])).await, json!({}));
    let mut asking = entry("f", "presence-a");
    asking["info"] = json!("user_count,subscription_count");
    asking["socket_id"] = json!(listener.0.id().to_string());
    let answer = batch(&api, json!([asking, entry("g", "b")])).await;
    assert_eq!(
        answer,
        json!({"batch": [{"user_count": 1, "subscription_count": 1}, {}]})
    );
    assert_eq!(listener.events(), ["g"]);
}
