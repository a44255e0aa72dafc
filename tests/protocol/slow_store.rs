//! What a socket hears while it waits for the store.

use serde_json::json;

use crate::client::Client;
use crate::env::Site;
use crate::faults::{Mood, Moody};

pub async fn a_subscription_that_waits_holds_back_its_channel_alone(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("other").await;
    house.say("c", &["1"]).await;
    moody.read.set(Mood::Hanging);
    let calls = moody.read.calls();
    client.ask_for("c", json!({"since": 0})).await;
    moody.read.called(calls + 1).await;
    house.say("c", &["2"]).await;
    house.call("c", "live").await;
    house.call("other", "goes on").await;
    assert_eq!(client.expect("call").await.data(), "goes on");
    moody.read.set(Mood::Well);
    let state = client
        .told("pusher_internal:subscription_succeeded", "c")
        .await;
    assert_eq!(
        (crate::frame::said(&state), &state["serial"]),
        (vec!["1", "2"], &json!(2))
    );
    assert_eq!(
        client.expect("call").await.data(),
        "live",
        "what the answer covers is not sent again"
    );
    client.quiet().await;
}

pub async fn a_presence_subscription_that_waits_holds_back_its_peers(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let [mut ann, mut bo] = house.clients().await;
    ann.join("presence-a", json!({"user_id": "ann", "peer": true}))
        .await;
    moody.read.set(Mood::Hanging);
    bo.ask_for(
        "presence-a",
        json!({"channel_data": {"user_id": "bo", "peer": true}, "since": 0}),
    )
    .await;
    ann.expect("pusher:member_added").await;
    ann.publish(
        "peer-a:ann&bo",
        "note",
        json!("hello"),
        json!({"persist": false, "echo": true}),
    )
    .await;
    ann.expect("note").await;
    moody.read.set(Mood::Well);
    bo.told("pusher_internal:subscription_succeeded", "presence-a")
        .await;
    bo.expect("note").await;
}

pub async fn a_personal_subscription_that_waits_holds_back_what_is_new(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    house.follow("ann", "alias").await;
    let mut client = house.client().await;
    client.subscribe("direct").await;
    client
        .join("presence-a", json!({"user_id": "ann", "peer": true}))
        .await;
    let mut bo = house.client().await;
    bo.join("presence-a", json!({"user_id": "bo", "peer": true}))
        .await;
    client.expect("pusher:member_added").await;
    moody.read.set(Mood::Hanging);
    let calls = moody.read.calls();
    client.ask_for("personal-ann", json!({})).await;
    moody.read.called(calls + 1).await;
    house.call("alias", "held back").await;
    house.call("direct", "goes on").await;
    bo.publish(
        "peer-a:ann&bo",
        "call",
        json!("goes on, too"),
        json!({"persist": false}),
    )
    .await;
    assert_eq!(client.expect("call").await.data(), "goes on");
    assert_eq!(client.expect("call").await.data(), "goes on, too");
    moody.read.set(Mood::Well);
    client
        .told("pusher_internal:subscription_succeeded", "personal-ann")
        .await;
    assert_eq!(client.expect("call").await.data(), "held back");
}

pub async fn a_subscription_that_fails_leaves_nothing_behind(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    for channel in ["a", "presence-a"] {
        house.follow("ann", channel).await;
    }
    let [mut client, mut watcher] = house.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    moody.read.set(Mood::Hanging);
    for (channel, names) in [
        ("personal-ann", vec!["a", "presence-a", "personal-ann"]),
        ("presence-a", vec!["presence-a"]),
    ] {
        let calls = moody.read.calls();
        client
            .ask_for(
                channel,
                json!({"channel_data": {"user_id": "ann"}, "since": 0}),
            )
            .await;
        moody.read.called(calls + 1).await;
        watcher.expect("pusher:member_added").await;
        for name in &names {
            house.call(name, "held back").await;
        }
        watcher.expect("call").await;
        moody.read.set(Mood::Down);
        client.refused(4320).await;
        watcher.expect("pusher:member_removed").await;
        for name in &names {
            house.call(name, "not on it").await;
        }
        watcher.expect("call").await;
        client.quiet().await;
        moody.read.set(Mood::Hanging);
    }
}

pub async fn who_vanishes_while_it_waits_is_gone(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let [mut client, mut watcher] = house.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    moody.read.set(Mood::Hanging);
    client
        .ask_for(
            "presence-a",
            json!({"channel_data": {"user_id": "ann"}, "since": 0}),
        )
        .await;
    watcher.expect("pusher:member_added").await;
    let gone = client.ended();
    moody.read.set(Mood::Well);
    gone.await;
    watcher.expect("pusher:member_removed").await;
    watcher.quiet().await;
    assert_eq!(house.service.hub().connections(), 1);
}

pub async fn what_the_user_follows_is_read_again_until_it_is_known(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.client().await;
    client.subscribe("personal-ann").await;
    moody.subscriptions.set(Mood::Down);
    house.follow("ann", "a").await;
    let frame = client.refused(4320).await;
    assert_eq!(frame.channel(), "personal-ann");
    let calls = moody.subscriptions.calls();
    moody.subscriptions.called(calls + 1).await;
    client.quiet().await;
    moody.subscriptions.set(Mood::Well);
    let state = client
        .told("pusher_internal:subscription_succeeded", "personal-ann")
        .await;
    assert_eq!(state["alias"], json!(["a"]));
    house.call("a", "hello").await;
    client.expect("call").await;
    let calls = moody.subscriptions.calls();
    client.quiet().await;
    assert_eq!(
        moody.subscriptions.calls(),
        calls,
        "once known it is not read again"
    );
}

pub async fn two_subscriptions_are_answered_in_their_order(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client: Client = house.client().await;
    moody.read.set(Mood::Hanging);
    client.ask_for("a", json!({"since": 0})).await;
    client.ask_for("b", json!({})).await;
    client.send(json!({"event": "pusher:ping"})).await;
    moody.read.called(1).await;
    moody.read.set(Mood::Well);
    for channel in ["a", "b"] {
        client
            .told("pusher_internal:subscription_succeeded", channel)
            .await;
    }
    client.expect("pusher:pong").await;
}
