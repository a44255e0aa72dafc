//! Peer channels between members of a presence channel.

use pushi_test_support::{Client, TestEnv, TestServer, event_texts, serials};
use serde_json::{Value, json};

const ROOM: &str = "presence-room";
const PAIR: &str = "peer-room:ann&bo";

/// Clients in the room as these users, all with the peer flag; their announcements are read.
async fn in_room<const N: usize>(server: &TestServer<'_>, names: [&str; N]) -> [Client; N] {
    let mut clients: [Client; N] = server.clients().await;
    for (client, name) in clients.iter_mut().zip(names) {
        client
            .join(ROOM, json!({"user_id": name, "peer": true}))
            .await;
    }
    for client in &mut clients {
        hush(client).await;
    }
    clients
}

/// Reads the announcements of other members.
async fn hush(client: &mut Client) {
    client.send(json!({"event": "pusher:ping"})).await;
    while client.next().await.event() != "pusher:pong" {}
}

async fn send(client: &mut Client, channel: &str, text: &str) {
    client
        .publish(channel, "note", json!(text), json!({"persist": false}))
        .await;
}

async fn hears(client: &mut Client, channel: &str, text: &str) {
    let frame = client.expect("note").await;
    assert_eq!((frame.channel(), frame.data()), (channel, text));
}

async fn may_not_send(client: &mut Client, channel: &str) {
    send(client, channel, "x").await;
    assert_eq!(client.expect_error(4317).await.channel(), channel);
}

pub(crate) async fn two_who_are_present_share_a_channel(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo, mut cy] = in_room(&server, ["ann", "bo", "cy"]).await;
    send(&mut ann, PAIR, "hello").await;
    hears(&mut bo, PAIR, "hello").await;
    send(&mut bo, PAIR, "hello yourself").await;
    hears(&mut ann, PAIR, "hello yourself").await;
    ann.publish(PAIR, "note", json!("me too"), json!({"echo": true}))
        .await;
    let frame = ann.expect("note").await;
    assert_eq!(frame.serial(), 1, "it is stored like any other");
    hears(&mut bo, PAIR, "me too").await;
    server.publish_transient(PAIR, "from the back end").await;
    ann.expect("call").await;
    bo.expect("call").await;
    cy.expect_nothing().await;
    may_not_send(&mut cy, PAIR).await;
}

pub(crate) async fn every_tab_of_both_users_receives_it(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut tab, mut bo] = in_room(&server, ["ann", "ann", "bo"]).await;
    send(&mut ann, PAIR, "one").await;
    hears(&mut tab, PAIR, "one").await;
    hears(&mut bo, PAIR, "one").await;
    send(&mut tab, PAIR, "two").await;
    hears(&mut ann, PAIR, "two").await;
    hears(&mut bo, PAIR, "two").await;
    ann.expect_nothing().await;
    tab.expect_nothing().await;
}

pub(crate) async fn it_lasts_until_one_has_left(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, tab, mut bo] = in_room(&server, ["ann", "ann", "bo"]).await;
    tab.abort().await;
    send(&mut bo, PAIR, "still").await;
    hears(&mut ann, PAIR, "still").await;
    ann.unsubscribe(ROOM).await;
    bo.expect("pusher:member_removed").await;
    may_not_send(&mut bo, PAIR).await;
    may_not_send(&mut ann, PAIR).await;
    server.publish_transient(PAIR, "nobody hears it").await;
    bo.expect_nothing().await;
    ann.expect_nothing().await;
    ann.join(ROOM, json!({"user_id": "ann", "peer": true}))
        .await;
    bo.expect("pusher:member_added").await;
    send(&mut bo, PAIR, "again").await;
    hears(&mut ann, PAIR, "again").await;
    ann.abort().await;
    bo.expect("pusher:member_removed").await;
    may_not_send(&mut bo, PAIR).await;
}

pub(crate) async fn both_members_must_set_the_peer_flag(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = in_room(&server, ["ann", "bo"]).await;
    for flag in [json!(false), json!(null), json!("true"), json!(1)] {
        if !(flag.is_boolean() || flag.is_null()) {
            bo.next_is_invalid();
        }
        bo.join(ROOM, json!({"user_id": "bo", "peer": flag})).await;
        hush(&mut ann).await;
        may_not_send(&mut ann, PAIR).await;
        may_not_send(&mut bo, PAIR).await;
        server.publish_transient(PAIR, "nobody hears it").await;
        ann.expect_nothing().await;
        bo.join(ROOM, json!({"user_id": "bo", "peer": true})).await;
        hush(&mut ann).await;
        send(&mut ann, PAIR, "hello").await;
        hears(&mut bo, PAIR, "hello").await;
    }
}

pub(crate) async fn the_newest_tab_decides(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = in_room(&server, ["ann", "bo"]).await;
    let mut tab = server.client().await;
    tab.join(ROOM, json!({"user_id": "bo"})).await;
    may_not_send(&mut ann, PAIR).await;
    tab.unsubscribe(ROOM).await;
    send(&mut ann, PAIR, "hello").await;
    hears(&mut bo, PAIR, "hello").await;
    bo.join(ROOM, json!({"user_id": "bo"})).await;
    hush(&mut ann).await;
    tab.join(ROOM, json!({"user_id": "bo", "peer": true})).await;
    send(&mut ann, PAIR, "both").await;
    hears(&mut bo, PAIR, "both").await;
    hears(&mut tab, PAIR, "both").await;
    tab.abort().await;
    may_not_send(&mut ann, PAIR).await;
}

pub(crate) async fn more_than_two_may_share_one(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo, mut cy, mut dee] = in_room(&server, ["ann", "bo", "cy", "dee"]).await;
    let three = "peer-room:ann&bo&cy";
    send(&mut ann, three, "one").await;
    hears(&mut bo, three, "one").await;
    hears(&mut cy, three, "one").await;
    cy.unsubscribe(ROOM).await;
    for client in [&mut ann, &mut bo, &mut dee] {
        hush(client).await;
    }
    send(&mut bo, three, "two").await;
    hears(&mut ann, three, "two").await;
    may_not_send(&mut cy, three).await;
    may_not_send(&mut dee, three).await;
    bo.unsubscribe(ROOM).await;
    hush(&mut ann).await;
    may_not_send(&mut ann, three).await;
    // A user who never joined counts as absent.
    send(&mut ann, "peer-room:ann&dee&zoe", "three").await;
    hush(&mut dee).await;
    cy.expect_nothing().await;
}

pub(crate) async fn a_base_may_hold_a_colon(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = server.clients().await;
    for (client, name) in [(&mut ann, "ann"), (&mut bo, "bo")] {
        client
            .join("presence-a:b:c", json!({"user_id": name, "peer": true}))
            .await;
    }
    hush(&mut ann).await;
    send(&mut ann, "peer-a:b:c:ann&bo", "hello").await;
    hears(&mut bo, "peer-a:b:c:ann&bo", "hello").await;
    may_not_send(&mut ann, "peer-a:ann&bo").await;
}

pub(crate) async fn users_are_sorted_by_code_point(env: &TestEnv) {
    let server = env.server().await;
    // In UTF-16 order, as in JavaScript, the crab would sort before the full-width letter.
    let names = ["B", "a", "\u{ff41}", "🦀"];
    let mut clients = in_room(&server, names).await;
    let channel = format!("peer-room:{}", names.join("&"));
    send(&mut clients[0], &channel, "hello").await;
    for client in &mut clients[1..] {
        hears(client, &channel, "hello").await;
    }
    send(&mut clients[0], "peer-room:a&B", "x").await;
    clients[0].expect_error(4315).await;
}

pub(crate) async fn a_name_may_have_two_thousand_bytes(env: &TestEnv) {
    let server = env.server().await;
    let names: Vec<String> = (0..16)
        .map(|n| format!("{n:02}{}", "x".repeat(120)))
        .collect();
    let mut clients = in_room(&server, [names[0].as_str(), names[1].as_str()]).await;
    let channel = |last: usize| format!("peer-room:{}&z{}", names.join("&"), "z".repeat(last));
    let shell = channel(0).len();
    let (longest, longer) = (channel(2000 - shell), channel(2001 - shell));
    assert_eq!(longest.len(), 2000);
    clients[0]
        .publish(&longest, "note", json!("hello"), json!({"echo": true}))
        .await;
    assert_eq!(clients[0].expect("note").await.serial(), 1);
    assert_eq!(clients[1].expect("note").await.channel(), longest);
    assert_eq!(
        serials(&clients[1].query(json!({"channel": longest})).await),
        [1]
    );
    send(&mut clients[0], &longer, "x").await;
    assert!(clients[0].expect_error(4315).await.channel().len() <= 2000);
}

pub(crate) async fn a_peers_id_holds_no_separator(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client
        .send_subscribe(
            ROOM,
            json!({"channel_data": {"user_id": "a&b", "peer": true}}),
        )
        .await;
    client.expect_error(4316).await;
    client.join(ROOM, json!({"user_id": "a&b"})).await;
}

pub(crate) async fn a_member_may_ask_for_the_past(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo, mut cy] = in_room(&server, ["ann", "bo", "cy"]).await;
    for text in ["1", "2", "3"] {
        ann.publish_stored(PAIR, "note", json!(text)).await;
        bo.expect("note").await;
    }
    let state = bo.subscribe_with(PAIR, json!({"since": 1})).await;
    assert_eq!(
        (event_texts(&state), &state["recovered"], &state["serial"]),
        (vec!["2", "3"], &json!(true), &json!(3))
    );
    send(&mut ann, PAIR, "once").await;
    hears(&mut bo, PAIR, "once").await;
    bo.expect_nothing().await;
    assert_eq!(bo.subscribe(PAIR).await["events"], json!([]));
    assert_eq!(
        event_texts(&bo.query(json!({"channel": PAIR, "count": 2})).await),
        ["3", "2"]
    );
    // It still follows from the presence channel alone.
    bo.unsubscribe(PAIR).await;
    send(&mut ann, PAIR, "still").await;
    hears(&mut bo, PAIR, "still").await;
    bo.unsubscribe(ROOM).await;
    for frame in [
        json!({"event": "pusher:latest", "data": {"channel": PAIR}}),
        json!({"event": "pusher:unsubscribe", "data": {"channel": PAIR}}),
    ] {
        bo.send(frame).await;
        bo.expect_error(4317).await;
    }
    for mut other in [bo, cy_of(&mut cy).await] {
        other
            .send_subscribe_data(json!({"channel": PAIR, "since": 0}))
            .await;
        let frame = other.expect_error(4009).await;
        assert!(frame.message().contains(ROOM), "says how: {frame:?}");
    }
}

/// A third one, as a client of its own.
async fn cy_of(cy: &mut Client) -> Client {
    hush(cy).await;
    let (near, _far) = tokio::io::duplex(1);
    let (_said, ended) = tokio::sync::oneshot::channel();
    let app = std::sync::Arc::clone(&cy.app);
    std::mem::replace(cy, Client::over(near, &app, ended).await)
}

pub(crate) async fn a_listener_needs_a_signature(env: &TestEnv) {
    let server = env.server().await;
    let mut listener = server.client().await;
    listener.send_subscribe_data(json!({"channel": PAIR})).await;
    listener.expect_error(4009).await;
    let auth = listener.auth("peer-room:ann&cy");
    listener
        .send_subscribe_data(json!({"channel": PAIR, "auth": auth}))
        .await;
    listener.expect_error(4009).await;
    let auth = listener.auth(PAIR);
    listener
        .send_subscribe_data(json!({"channel": PAIR, "auth": auth}))
        .await;
    listener
        .expect_state("pusher_internal:subscription_succeeded", PAIR)
        .await;
    // It may receive and send, but is a peer of no user.
    server.publish_transient(PAIR, "hello").await;
    listener.expect("call").await;
    let [mut ann] = in_room(&server, ["ann"]).await;
    may_not_send(&mut ann, PAIR).await;
    let [mut bo] = in_room(&server, ["bo"]).await;
    hush(&mut ann).await;
    send(&mut listener, PAIR, "to both").await;
    hears(&mut ann, PAIR, "to both").await;
    hears(&mut bo, PAIR, "to both").await;
    send(&mut ann, PAIR, "to all").await;
    hears(&mut bo, PAIR, "to all").await;
    hears(&mut listener, PAIR, "to all").await;
    listener.unsubscribe(PAIR).await;
    send(&mut ann, PAIR, "to bo").await;
    hears(&mut bo, PAIR, "to bo").await;
    listener.expect_nothing().await;
    may_not_send(&mut listener, PAIR).await;
}

pub(crate) async fn a_subscribed_member_receives_it_once(env: &TestEnv) {
    let server = env.server().await;
    let [mut ann, mut bo] = in_room(&server, ["ann", "bo"]).await;
    let auth = bo.auth(PAIR);
    bo.send_subscribe_data(json!({"channel": PAIR, "auth": auth}))
        .await;
    bo.expect_state("pusher_internal:subscription_succeeded", PAIR)
        .await;
    send(&mut ann, PAIR, "once").await;
    hears(&mut bo, PAIR, "once").await;
    bo.expect_nothing().await;
    bo.unsubscribe(ROOM).await;
    hush(&mut ann).await;
    server.publish_transient(PAIR, "as a listener").await;
    bo.expect("call").await;
    ann.expect_nothing().await;
}

pub(crate) async fn asking_for_the_past_counts_as_a_channel(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.rules.limits.channels_per_connection = 3)
        .await;
    let [mut ann, bo] = in_room(&server, ["ann", "bo"]).await;
    let third = |n: usize| format!("peer-room:ann&bo&c{n}");
    for n in 0..3 {
        ann.subscribe_with(&third(n), json!({"since": "now"})).await;
    }
    ann.send_subscribe_data(json!({"channel": third(3), "since": "now"}))
        .await;
    let frame = ann.expect_error(4319).await;
    assert!(
        frame.message().contains("max_channels_per_connection"),
        "{frame:?}"
    );
    ann.subscribe_with(&third(0), json!({"since": "now"})).await;
    ann.unsubscribe(&third(0)).await;
    ann.subscribe_with(&third(3), json!({"since": 0})).await;
    // Those that it is not on any more do not count.
    bo.abort().await;
    ann.expect("pusher:member_removed").await;
    let [_cy] = in_room(&server, ["cy"]).await;
    ann.expect("pusher:member_added").await;
    for n in 0..3 {
        ann.subscribe_with(&format!("peer-room:ann&cy&d{n}"), json!({"since": "now"}))
            .await;
    }
}

pub(crate) async fn two_apps_have_pairs_of_their_own(env: &TestEnv) {
    let server = env.server().await;
    let other = pushi::core::model::NewApp {
        name: "Other".to_owned(),
        ..Default::default()
    };
    let other = server.service.create_app(other).await.unwrap();
    let [mut ann] = in_room(&server, ["ann"]).await;
    let mut bo = server.client_of(&other).await;
    bo.join(ROOM, json!({"user_id": "bo", "peer": true})).await;
    may_not_send(&mut ann, PAIR).await;
    may_not_send(&mut bo, PAIR).await;
}

pub(crate) async fn through_a_personal_channel_one_is_a_peer(env: &TestEnv) {
    let server = env.server().await;
    server.add_subscription("ann", ROOM).await;
    let [mut bo] = in_room(&server, ["bo"]).await;
    let mut ann = server.client().await;
    let personal = "personal-ann";
    let join = async |ann: &mut Client, data: Value| ann.subscribe_with(personal, data).await;
    join(
        &mut ann,
        json!({"channel_data": {"user_id": "ann", "peer": true}}),
    )
    .await;
    hush(&mut bo).await;
    send(&mut bo, PAIR, "hello").await;
    hears(&mut ann, PAIR, "hello").await;
    join(&mut ann, json!({})).await;
    hush(&mut bo).await;
    may_not_send(&mut bo, PAIR).await;
}
