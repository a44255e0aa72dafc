//! Both dialects on the same channels.

use pushi_test_support::{TestEnv, TestServer, users};
use serde_json::json;

const ROOM: &str = "presence-room";
const ANN: &str = "personal-ann";

pub(super) async fn events_reach_the_other_dialect_in_its_own_form(env: &TestEnv) {
    let server = env.server().await;
    let mut pushi = server.subscribed("news").await;
    let mut pusher = server.pusher_on("news").await;
    server.trigger(&["news"], "e", "1").await;
    let text = r#"{"event":"e","channel":"news","data":"1"}"#;
    assert_eq!(
        (
            pusher.next().await.text.as_str(),
            pushi.next().await.text.as_str()
        ),
        (text, text)
    );
    pushi
        .publish("news", "e", json!({"x": 1}), json!({"persist": false}))
        .await;
    assert_eq!(
        pusher.next().await.text,
        r#"{"event":"e","channel":"news","data":"{\"x\":1}"}"#
    );
    pushi
        .publish("news", "e", json!("kept"), json!({"echo": true}))
        .await;
    let (theirs, ours) = (pusher.next().await, pushi.next().await);
    assert_eq!(theirs.text, ours.text, "stored events carry the same");
    assert_eq!(theirs.serial(), 1);
    // A Pushi publish to several channels is one for Pushi sockets; a Pusher one is one per channel.
    pushi.subscribe("more").await;
    server.publish(&["news", "more"], "both", "x", false).await;
    pushi.expect("both").await;
    pushi.expect_nothing().await;
    server.trigger(&["news", "more"], "each", "x").await;
    pushi.expect("each").await;
    pushi.expect("each").await;
}

pub(super) async fn presence_has_one_list(env: &TestEnv) {
    let server = env.server().await;
    let mut pushi = server.client().await;
    pushi
        .join(ROOM, json!({"user_id": "u1", "peer": true, "name": "Ann"}))
        .await;
    let mut pusher = server.pusher().await;
    let answer = pusher
        .join(ROOM, json!({"user_id": 2, "user_info": {"name": "Bo"}}))
        .await;
    let hash = json!({"u1": {"peer": true, "name": "Ann"}, "2": {"name": "Bo"}});
    assert_eq!(
        answer["presence"],
        json!({"count": 2, "ids": ["u1", "2"], "hash": hash})
    );
    let added = pushi.expect("pusher:member_added").await;
    assert_eq!(
        added.member(),
        json!({"user_id": "2", "user_info": {"name": "Bo"}})
    );
    let mut third = server.client().await;
    let state = third
        .join(
            ROOM,
            json!({"user_id": "u3", "user_info": {"x": 1}, "else": 2}),
        )
        .await;
    assert_eq!(users(&state), ["u1", "2", "u3"]);
    assert_eq!(
        state["members"]["2"],
        json!({"user_id": "2", "user_info": {"name": "Bo"}})
    );
    let added = pusher.expect_on("pusher_internal:member_added", ROOM).await;
    assert_eq!(added, json!({"user_id": "u3", "user_info": {"x": 1}}));
    third.close().await;
    assert_eq!(
        pusher
            .expect_on("pusher_internal:member_removed", ROOM)
            .await,
        json!({"user_id": "u3"})
    );
    pushi.expect("pusher:member_added").await;
    pushi.expect("pusher:member_removed").await;
    pusher.0.abort().await;
    assert_eq!(
        pushi.expect("pusher:member_removed").await.member()["user_id"],
        "2"
    );
}

pub(super) async fn a_user_of_both_dialects_is_one_member(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = server.pusher().await;
    watcher.join(ROOM, json!({"user_id": "w"})).await;
    let mut pushi = server.client().await;
    pushi
        .join(ROOM, json!({"user_id": "7", "name": "Ann"}))
        .await;
    watcher
        .expect_on("pusher_internal:member_added", ROOM)
        .await;
    let mut pusher = server.pusher().await;
    let answer = pusher
        .join(
            ROOM,
            json!({"user_id": 7, "user_info": {"name": "Ann of Pusher"}}),
        )
        .await;
    assert_eq!(
        answer["presence"]["hash"]["7"],
        json!({"name": "Ann of Pusher"}),
        "the newest data counts"
    );
    watcher.expect_nothing().await;
    pushi.unsubscribe(ROOM).await;
    watcher.expect_nothing().await;
    pusher.unsubscribe(ROOM).await;
    assert_eq!(
        watcher
            .expect_on("pusher_internal:member_removed", ROOM)
            .await,
        json!({"user_id": "7"})
    );
}

pub(super) async fn peer_channels_are_for_pushi_sockets_alone(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = server.clients().await;
    ann.join(ROOM, json!({"user_id": "ann", "peer": true}))
        .await;
    // No channel data of a Pusher socket makes it a peer.
    let mut pusher = server.pusher().await;
    pusher
        .join(ROOM, json!({"user_id": "bo", "peer": true}))
        .await;
    ann.expect("pusher:member_added").await;
    ann.publish("peer-room:ann&bo", "e", json!("x"), json!({}))
        .await;
    ann.expect_error(4317).await;
    bo.join(ROOM, json!({"user_id": "bo", "peer": true})).await;
    let mut again = server.pusher().await;
    again.join(ROOM, json!({"user_id": "bo"})).await;
    ann.publish(
        "peer-room:ann&bo",
        "e",
        json!("x"),
        json!({"persist": false}),
    )
    .await;
    assert_eq!(bo.expect("e").await.channel(), "peer-room:ann&bo");
    pusher.expect_nothing().await;
    again.expect_nothing().await;
}

pub(super) async fn a_personal_channel_brings_what_the_user_follows(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", "news").await;
    server.add_subscription("ann", ROOM).await;
    let mut ann = server.signed_in("ann").await;
    ann.send_subscribe_data(json!({"channel": "personal-ann", "auth": ""}))
        .await;
    assert_eq!(ann.expect_subscribed("personal-ann").await, json!({}));
    server.trigger(&["news"], "e", "1").await;
    assert_eq!(ann.expect_data("news", "e").await, "1");
    let mut bo = server.pusher().await;
    let answer = bo.join(ROOM, json!({"user_id": "bo"})).await;
    assert_eq!(
        answer["presence"]["count"], 1,
        "heard, without being a member"
    );
    ann.expect_on("pusher_internal:member_added", ROOM).await;
    server.add_subscription("ann", "more").await;
    ann.expect_nothing().await;
    server.trigger(&["more"], "e", "2").await;
    assert_eq!(ann.expect_data("more", "e").await, "2");
    server.remove_subscription("ann", "news").await;
    ann.expect_nothing().await;
    server.trigger(&["news"], "e", "3").await;
    ann.expect_nothing().await;
    ann.unsubscribe("personal-ann").await;
    ann.expect_nothing().await;
    server.trigger(&["more"], "e", "4").await;
    ann.expect_nothing().await;
}

pub(super) async fn a_members_text_is_the_same_in_both_dialects(env: &TestEnv) {
    let server = env.server().await;
    let mut watcher = server.pusher().await;
    watcher.join(ROOM, json!({"user_id": "watcher"})).await;
    let info = r#"{"half":"\ud83d","n":123456789012345678901234567890,"e": 1e999}"#;
    for (data, info) in [
        (format!(r#"{{"user_id":"u","user_info":{info}}}"#), info),
        (format!(r#"{{"user_info":{info},"user_id":"u"}}"#), info),
        (
            r#"{"\ud83d":1e999, "user_id":"u", "a\/b":0.10}"#.to_owned(),
            r#"{"\ud83d":1e999,"a\/b":0.10}"#,
        ),
    ] {
        let added = format!(r#"{{"user_id":"u","user_info":{info}}}"#);
        let [mut pusher, mut again] = server.pushers().await;
        let auth = pusher.auth_over(ROOM, &data);
        pusher
            .send_subscribe_data(json!({"channel": ROOM, "auth": auth, "channel_data": data}))
            .await;
        let frame = pusher
            .expect("pusher_internal:subscription_succeeded")
            .await;
        let hash = format!(r#""u":{info}}}}}}}"#);
        assert!(frame.data().ends_with(&hash), "{hash}: {frame:?}");
        let frame = watcher.expect("pusher_internal:member_added").await;
        assert_eq!(frame.data(), added);
        pusher.0.abort().await;
        watcher.expect("pusher_internal:member_removed").await;
        // By the sign-in.
        let user_data = format!(r#"{{"id":"u","user_info":{info},"\ud83d":1e999}}"#);
        again.send_sign_in(&user_data).await;
        let frame = again.expect("pusher:signin_success").await;
        assert_eq!(frame.inner()["user_data"], user_data);
        again.send_subscribe(ROOM, json!({})).await;
        again.expect("pusher_internal:subscription_succeeded").await;
        let frame = watcher.expect("pusher_internal:member_added").await;
        assert_eq!(frame.data(), added);
        again.0.abort().await;
        watcher.expect("pusher_internal:member_removed").await;
    }
}

async fn whispering(env: &TestEnv) -> TestServer<'_> {
    env.server_with(|setup| setup.settings.client_events = true)
        .await
}

pub(super) async fn whispers_reach_pushi_sockets(env: &TestEnv) {
    let server = whispering(env).await;
    let mut pushi = server.subscribed("private-x").await;
    let mut pusher = server.pusher_on("private-x").await;
    pusher
        .send_client_event("private-x", "client-typing", json!({"a": 1}))
        .await;
    assert_eq!(
        pushi.next().await.text,
        r#"{"event":"client-typing","channel":"private-x","data":"{\"a\":1}"}"#
    );
    pushi
        .publish(
            "private-x",
            "client-typing",
            json!("y"),
            json!({"persist": false}),
        )
        .await;
    assert_eq!(
        pusher.next().await.text,
        r#"{"event":"client-typing","channel":"private-x","data":"y"}"#
    );
}

pub(super) async fn pushi_sockets_get_no_counts_or_cache_misses(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.subscription_count = true)
        .await;
    let mut pushi = server.subscribed("cache-x").await;
    let mut pusher = server.pusher_on("cache-x").await;
    pusher.expect_on("pusher:cache_miss", "cache-x").await;
    let data = pusher
        .expect_on("pusher_internal:subscription_count", "cache-x")
        .await;
    assert_eq!(data, json!({"subscription_count": 2}));
    pushi.expect_nothing().await;
    server.trigger(&["cache-x"], "state", "1").await;
    pushi.expect("state").await;
    server.subscribed("cache-x").await.expect_nothing().await;
}

pub(super) async fn no_pushi_socket_is_on_a_users_channel(env: &TestEnv) {
    let server = env.server().await;
    let mut pushi = server.client().await;
    let channel = "#server-to-user-ann";
    for auth in [pushi.auth(channel), String::new()] {
        pushi
            .send_subscribe_data(json!({"channel": channel, "auth": auth}))
            .await;
        pushi.expect_error(4009).await;
    }
    pushi.publish(channel, "e", json!("x"), json!({})).await;
    pushi.expect_error(4317).await;
    // Nor by what a user follows.
    let followed = server
        .service
        .add_subscription(
            &server.app.ident,
            &pushi_test_support::user("ann"),
            &pushi_test_support::channel(channel),
        )
        .await;
    assert!(followed.is_err());
    let store = &env.stores.subscriptions;
    let now = pushi::core::model::Timestamp::from_micros(1);
    store
        .add(
            &server.app.ident,
            &pushi_test_support::user("ann"),
            &pushi_test_support::channel(channel),
            now,
        )
        .await
        .unwrap();
    let state = pushi.subscribe("personal-ann").await;
    assert_eq!(state["alias"], json!([]));
    server.trigger(&[channel], "e", "x").await;
    pushi.expect_nothing().await;
}

pub(super) async fn through_a_personal_channel_nobody_is_another_user(env: &TestEnv) {
    let server = whispering(env).await;
    server.add_subscription("ann", ROOM).await;
    let mut bo = server.pusher().await;
    bo.join(ROOM, json!({"user_id": "bo"})).await;
    let mut ann = server.pusher().await;
    ann.sign_in(json!({"id": "ann", "user_info": {"name": "signed"}}))
        .await;
    let admin = r#"{"user_id":"admin","user_info":{"name":"claimed"}}"#;
    let own = r#"{"user_id":"ann","user_info":{"name":"claimed"}}"#;
    for data in [admin, own] {
        ann.send_subscribe_data(json!({"channel": ANN, "auth": "", "channel_data": data}))
            .await;
        ann.expect_subscribed(ANN).await;
        assert_eq!(
            bo.expect_on("pusher_internal:member_added", ROOM).await,
            json!({"user_id": "ann", "user_info": {"name": "signed"}})
        );
        ann.send_client_event(ROOM, "client-x", json!("x")).await;
        assert_eq!(bo.expect("client-x").await.value["user_id"], "ann");
        ann.unsubscribe(ANN).await;
        bo.expect_on("pusher_internal:member_removed", ROOM).await;
    }
    // Without a sign-in the signature must cover the data.
    let mut ann = server.pusher().await;
    let auth = ann.auth(ANN);
    ann.send_subscribe_data(json!({"channel": ANN, "auth": auth, "channel_data": own}))
        .await;
    ann.expect_subscription_error(ANN, "AuthError", 401).await;
    bo.expect_nothing().await;
    let auth = ann.auth_over(ANN, own);
    ann.send_subscribe_data(json!({"channel": ANN, "auth": auth, "channel_data": own}))
        .await;
    ann.expect_subscribed(ANN).await;
    assert_eq!(
        bo.expect_on("pusher_internal:member_added", ROOM).await,
        json!({"user_id": "ann", "user_info": {"name": "claimed"}})
    );
}
