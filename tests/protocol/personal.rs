//! Personal channels: all persistent subscriptions of a user as one subscription.

use pushi_test_support::{Client, TestEnv, TestServer, event_texts, serials, users};
use serde_json::json;

const ANN: &str = "personal-ann";

/// A connected client of a user with some persistent subscriptions.
async fn following(server: &TestServer<'_>, channels: &[&str]) -> Client {
    for channel in channels {
        server.add_subscription("ann", channel).await;
    }
    let mut client = server.client().await;
    assert_eq!(follow(&mut client, ANN).await["alias"], json!(channels));
    client
}

/// Subscribes to a personal channel and asks for a new answer after each change.
async fn follow(client: &mut Client, channel: &str) -> serde_json::Value {
    client
        .subscribe_with(channel, json!({"follow": true}))
        .await
}

/// The alias list of the next frame.
async fn told_alias(client: &mut Client) -> serde_json::Value {
    client
        .expect_state("pusher_internal:subscription_succeeded", ANN)
        .await["alias"]
        .clone()
}

pub(crate) async fn the_socket_is_on_every_channel_that_the_user_follows(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &["news", "private-a", "presence-b"]).await;
    let mut other = server.client().await;
    assert_eq!(other.subscribe("personal-bo").await["alias"], json!([]));
    for channel in ["news", "private-a", "presence-b"] {
        server.publish_transient(channel, "hello").await;
        assert_eq!(client.expect("call").await.channel(), channel);
        client.query(json!({"channel": channel})).await;
        client
            .publish(
                channel,
                "reply",
                json!("x"),
                json!({"echo": true, "persist": false}),
            )
            .await;
        assert_eq!(client.expect("reply").await.channel(), channel);
    }
    other.expect_nothing().await;
}

pub(crate) async fn the_answer_holds_what_the_user_missed(env: &TestEnv) {
    let server = env.server().await;
    server.publish_texts("a", &["before"]).await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    server.add_subscription("bo", "c").await;
    server.publish_texts("a", &["1"]).await;
    server.publish_texts("b", &["2"]).await;
    server.publish_texts("c", &["not ann's"]).await;
    server.publish_texts(ANN, &["3"]).await;
    server.publish_transient("a", "not stored").await;
    server.publish_texts("a", &["4"]).await;
    let mut client = server.client().await;
    let state = client.subscribe(ANN).await;
    assert_eq!(event_texts(&state), ["4", "3", "2", "1"]);
    assert_eq!(serials(&state), [3, 1, 1, 2]);
    assert_eq!(state["members"], json!({}));
    assert_eq!(state.get("recovered"), None);
    client.expect_nothing().await;
}

pub(crate) async fn the_answer_holds_the_last_ten(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "a").await;
    server.add_subscription("ann", "b").await;
    for text in ["1", "2", "3", "4", "5", "6"] {
        server.publish_texts("a", &[text]).await;
        server.publish_texts("b", &[text]).await;
    }
    let mut client = server.client().await;
    assert_eq!(
        event_texts(&client.subscribe(ANN).await),
        ["6", "6", "5", "5", "4", "4", "3", "3", "2", "2"]
    );
}

pub(crate) async fn a_back_end_writes_to_one_user(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = server.clients().await;
    ann.subscribe(ANN).await;
    bo.subscribe("personal-bo").await;
    server.publish_texts(ANN, &["for ann"]).await;
    let frame = ann.expect("message").await;
    assert_eq!(
        (frame.channel(), frame.data(), frame.serial()),
        (ANN, "for ann", 1)
    );
    bo.expect_nothing().await;
    ann.publish(ANN, "note", json!("mine"), json!({"echo": true}))
        .await;
    assert_eq!(ann.expect("note").await.serial(), 2);
    assert_eq!(
        event_texts(&ann.query(json!({"channel": ANN})).await),
        ["mine", "for ann"]
    );
}

pub(crate) async fn a_new_user_subscription_is_joined_at_once(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &["a"]).await;
    server.add_subscription("ann", "b").await;
    assert_eq!(told_alias(&mut client).await, json!(["a", "b"]));
    server.publish_transient("b", "hello").await;
    assert_eq!(client.expect("call").await.channel(), "b");
    // Repeating it changes nothing, so no frame is sent.
    server.add_subscription("ann", "b").await;
    client.expect_nothing().await;
    server.remove_subscription("ann", "a").await;
    assert_eq!(told_alias(&mut client).await, json!(["b"]));
    server.publish_transient("a", "hello").await;
    client.expect_nothing().await;
    client.publish("a", "message", json!("x"), json!({})).await;
    client.expect_error(4317).await;
    server.add_subscription("bo", "c").await;
    client.expect_nothing().await;
}

pub(crate) async fn who_did_not_ask_to_follow_gets_the_events_alone(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "a").await;
    let mut clients: [Client; 3] = server.clients().await;
    for (client, further) in
        clients
            .iter_mut()
            .zip([json!({}), json!({"follow": false}), json!({"follow": null})])
    {
        client.subscribe_with(ANN, further).await;
    }
    server.add_subscription("ann", "b").await;
    for client in &mut clients {
        client.expect_nothing().await;
    }
    server.publish_transient("b", "hello").await;
    for client in &mut clients {
        assert_eq!(client.expect("call").await.channel(), "b");
        assert_eq!(
            client.query(json!({"channel": ANN})).await["alias"],
            json!(["a", "b"])
        );
    }
    server.remove_subscription("ann", "a").await;
    for client in &mut clients {
        client.expect_nothing().await;
    }
    server.publish_transient("a", "hello").await;
    for client in &mut clients {
        let state = client.unsubscribe(ANN).await;
        assert_eq!(state["alias"], json!(["a"]), "what the client knows");
    }
    // The newest subscription decides.
    let [client, ..] = &mut clients;
    follow(client, ANN).await;
    server.add_subscription("ann", "c").await;
    assert_eq!(told_alias(client).await, json!(["b", "c"]));
    client.subscribe(ANN).await;
    server.add_subscription("ann", "d").await;
    client.expect_nothing().await;
    client.next_is_invalid();
    client.send_subscribe(ANN, json!({"follow": 1})).await;
    client.expect_error(4314).await;
}

pub(crate) async fn every_socket_of_the_user_follows(env: &TestEnv) {
    let server = env.server().await;
    let mut clients: [Client; 3] = server.clients().await;
    for client in &mut clients {
        follow(client, ANN).await;
    }
    server.add_subscription("ann", "a").await;
    for client in &mut clients {
        assert_eq!(told_alias(client).await, json!(["a"]));
    }
    server.publish_transient("a", "hello").await;
    for client in &mut clients {
        client.expect("call").await;
    }
}

pub(crate) async fn many_changes_end_in_the_last_state(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &[]).await;
    for round in 0..30 {
        server.add_subscription("ann", &format!("c{round}")).await;
        if round % 3 != 0 {
            server
                .remove_subscription("ann", &format!("c{round}"))
                .await;
        }
    }
    server.add_subscription("ann", "last").await;
    client.send(json!({"event": "pusher:ping"})).await;
    let mut alias = json!([]);
    loop {
        let frame = client.next().await;
        match frame.event() {
            "pusher:pong" => break,
            _ => alias = frame.inner()["alias"].clone(),
        }
    }
    let expected: Vec<String> = (0..30)
        .step_by(3)
        .map(|round| format!("c{round}"))
        .chain(["last".to_owned()])
        .collect();
    assert_eq!(alias, json!(expected));
    for round in 0..30 {
        server
            .publish_transient(&format!("c{round}"), "hello")
            .await;
        if round % 3 == 0 {
            assert_eq!(client.expect("call").await.channel(), format!("c{round}"));
        }
    }
    client.expect_nothing().await;
}

pub(crate) async fn unsubscribing_leaves_what_the_user_follows(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &["a", "b"]).await;
    let state = client.unsubscribe(ANN).await;
    assert_eq!(state["alias"], json!(["a", "b"]), "the client drops them");
    for channel in ["a", "b", ANN] {
        server.publish_transient(channel, "hello").await;
        client
            .send(json!({"event": "pusher:latest", "data": {"channel": channel}}))
            .await;
        client.expect_error(4317).await;
    }
    server.add_subscription("ann", "c").await;
    client.expect_nothing().await;
    assert_eq!(client.subscribe(ANN).await["alias"], json!(["a", "b", "c"]));
}

pub(crate) async fn a_channel_held_twice_is_left_when_both_have_ended(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &["a"]).await;
    client.subscribe("a").await;
    client.unsubscribe("a").await;
    server.publish_transient("a", "1").await;
    client.expect("call").await;
    client.subscribe("a").await;
    client.unsubscribe(ANN).await;
    server.publish_transient("a", "2").await;
    client.expect("call").await;
    client.unsubscribe("a").await;
    server.publish_transient("a", "3").await;
    client.expect_nothing().await;
    client.subscribe("a").await;
    follow(&mut client, ANN).await;
    server.remove_subscription("ann", "a").await;
    assert_eq!(told_alias(&mut client).await, json!([]));
    server.publish_transient("a", "4").await;
    assert_eq!(client.expect("call").await.data(), "4");
}

pub(crate) async fn two_personal_channels_may_share_an_alias(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("bo", "a").await;
    let mut client = following(&server, &["a"]).await;
    follow(&mut client, "personal-bo").await;
    server.publish_transient("a", "once").await;
    client.expect("call").await;
    client.expect_nothing().await;
    client.unsubscribe(ANN).await;
    server.publish_transient("a", "still").await;
    client.expect("call").await;
    server.remove_subscription("bo", "a").await;
    client
        .expect_state("pusher_internal:subscription_succeeded", "personal-bo")
        .await;
    server.publish_transient("a", "over").await;
    client.expect_nothing().await;
}

pub(crate) async fn subscribing_again_takes_new_channel_data(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = server.client().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    let mut client = following(&server, &["presence-a"]).await;
    watcher.expect_nothing().await;
    client
        .join(ANN, json!({"user_id": "ann", "name": "Ann"}))
        .await;
    assert_eq!(
        watcher.expect("pusher:member_added").await.member()["name"],
        "Ann"
    );
    client
        .join(ANN, json!({"user_id": "ann", "name": "Anna"}))
        .await;
    for (event, name) in [
        ("pusher:member_removed", "Ann"),
        ("pusher:member_added", "Anna"),
    ] {
        assert_eq!(watcher.expect(event).await.member()["name"], name);
    }
    assert_eq!(
        watcher.query(json!({"channel": "presence-a"})).await["members"]["ann"]["name"],
        "Anna"
    );
    client.subscribe(ANN).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["name"],
        "Anna",
        "nobody again"
    );
    server.publish_transient("presence-a", "hello").await;
    client.expect("call").await;
}

pub(crate) async fn a_presence_channel_is_joined_with_the_channel_data(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "presence-a").await;
    let [mut watcher, mut client] = server.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    let data = json!({"user_id": "ann", "name": "Ann"});
    client
        .subscribe_with(ANN, json!({"channel_data": data, "follow": true}))
        .await;
    assert_eq!(
        watcher.expect("pusher:member_added").await.member(),
        json!({"user_id": "ann", "name": "Ann"})
    );
    client.expect_nothing().await;
    assert_eq!(
        users(&client.query(json!({"channel": "presence-a"})).await),
        ["watcher", "ann"]
    );
    // One that is followed later, too; and no leaving and joining of those that were there.
    watcher
        .join("presence-b", json!({"user_id": "watcher"}))
        .await;
    server.add_subscription("ann", "presence-b").await;
    told_alias(&mut client).await;
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(
        (frame.channel(), &frame.member()["name"]),
        ("presence-b", &json!("Ann"))
    );
    server.remove_subscription("ann", "presence-a").await;
    told_alias(&mut client).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.channel(),
        "presence-a"
    );
    client.unsubscribe(ANN).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.channel(),
        "presence-b"
    );
    watcher.expect_nothing().await;
}

pub(crate) async fn without_channel_data_a_presence_channel_is_receive_only(env: &TestEnv) {
    let server = env.server().await;
    let mut client = following(&server, &["presence-a"]).await;
    let mut watcher = server.client().await;
    assert_eq!(
        users(
            &watcher
                .join("presence-a", json!({"user_id": "watcher"}))
                .await
        ),
        ["watcher"]
    );
    assert_eq!(
        client.expect("pusher:member_added").await.member()["user_id"],
        "watcher"
    );
    server.publish_transient("presence-a", "hello").await;
    client.expect("call").await;
    client.abort().await;
    watcher.expect("call").await;
    watcher.expect_nothing().await;
}
