//! Personal channels: what one user follows, as one subscription.

use serde_json::json;

use crate::client::Client;
use crate::env::Site;
use crate::frame::{said, serials, users};
use crate::server::House;

const ANN: &str = "personal-ann";

/// Somebody who follows some channels is connected.
async fn following(house: &House<'_>, channels: &[&str]) -> Client {
    for channel in channels {
        house.follow("ann", channel).await;
    }
    let mut client = house.client().await;
    assert_eq!(client.subscribe(ANN).await["alias"], json!(channels));
    client
}

/// The alias list that is told next.
async fn told_alias(client: &mut Client) -> serde_json::Value {
    client
        .told("pusher_internal:subscription_succeeded", ANN)
        .await["alias"]
        .clone()
}

pub async fn the_socket_is_on_every_channel_that_the_user_follows(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &["news", "private-a", "presence-b"]).await;
    let mut other = house.client().await;
    assert_eq!(other.subscribe("personal-bo").await["alias"], json!([]));
    for channel in ["news", "private-a", "presence-b"] {
        house.call(channel, "hello").await;
        assert_eq!(client.expect("call").await.channel(), channel);
        client.latest(json!({"channel": channel})).await;
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
    other.quiet().await;
}

pub async fn the_answer_holds_what_the_user_missed(site: &Site) {
    let house = site.house().await;
    house.say("a", &["before"]).await;
    house.follow("ann", "a").await;
    house.follow("ann", "b").await;
    house.follow("bo", "c").await;
    house.say("a", &["1"]).await;
    house.say("b", &["2"]).await;
    house.say("c", &["not ann's"]).await;
    house.say(ANN, &["3"]).await;
    house.call("a", "not stored").await;
    house.say("a", &["4"]).await;
    let mut client = house.client().await;
    let state = client.subscribe(ANN).await;
    assert_eq!(said(&state), ["4", "3", "2", "1"]);
    assert_eq!(serials(&state), [3, 1, 1, 2]);
    assert_eq!(state["members"], json!({}));
    assert_eq!(state.get("recovered"), None);
    client.quiet().await;
}

pub async fn the_answer_holds_the_last_ten(site: &Site) {
    let house = site.house().await;
    house.follow("ann", "a").await;
    house.follow("ann", "b").await;
    for text in ["1", "2", "3", "4", "5", "6"] {
        house.say("a", &[text]).await;
        house.say("b", &[text]).await;
    }
    let mut client = house.client().await;
    assert_eq!(
        said(&client.subscribe(ANN).await),
        ["6", "6", "5", "5", "4", "4", "3", "3", "2", "2"]
    );
}

pub async fn a_back_end_writes_to_one_user(site: &Site) {
    let house = site.house().await;
    let [mut ann, mut bo] = house.clients().await;
    ann.subscribe(ANN).await;
    bo.subscribe("personal-bo").await;
    house.say(ANN, &["for ann"]).await;
    let frame = ann.expect("message").await;
    assert_eq!(
        (frame.channel(), frame.data(), frame.serial()),
        (ANN, "for ann", 1)
    );
    bo.quiet().await;
    ann.publish(ANN, "note", json!("mine"), json!({"echo": true}))
        .await;
    assert_eq!(ann.expect("note").await.serial(), 2);
    assert_eq!(
        said(&ann.latest(json!({"channel": ANN})).await),
        ["mine", "for ann"]
    );
}

pub async fn what_the_user_follows_anew_is_joined_at_once(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &["a"]).await;
    house.follow("ann", "b").await;
    assert_eq!(told_alias(&mut client).await, json!(["a", "b"]));
    house.call("b", "hello").await;
    assert_eq!(client.expect("call").await.channel(), "b");
    // The same again changes nothing, and so nothing is told.
    house.follow("ann", "b").await;
    client.quiet().await;
    house.unfollow("ann", "a").await;
    assert_eq!(told_alias(&mut client).await, json!(["b"]));
    house.call("a", "hello").await;
    client.quiet().await;
    client.publish("a", "message", json!("x"), json!({})).await;
    client.refused(4317).await;
    house.follow("bo", "c").await;
    client.quiet().await;
}

pub async fn every_socket_of_the_user_follows(site: &Site) {
    let house = site.house().await;
    let mut clients: [Client; 3] = house.clients().await;
    for client in &mut clients {
        client.subscribe(ANN).await;
    }
    house.follow("ann", "a").await;
    for client in &mut clients {
        assert_eq!(told_alias(client).await, json!(["a"]));
    }
    house.call("a", "hello").await;
    for client in &mut clients {
        client.expect("call").await;
    }
}

pub async fn many_changes_end_in_the_last_state(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &[]).await;
    for round in 0..30 {
        house.follow("ann", &format!("c{round}")).await;
        if round % 3 != 0 {
            house.unfollow("ann", &format!("c{round}")).await;
        }
    }
    house.follow("ann", "last").await;
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
        house.call(&format!("c{round}"), "hello").await;
        if round % 3 == 0 {
            assert_eq!(client.expect("call").await.channel(), format!("c{round}"));
        }
    }
    client.quiet().await;
}

pub async fn unsubscribing_leaves_what_the_user_follows(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &["a", "b"]).await;
    client.unsubscribe(ANN).await;
    for channel in ["a", "b", ANN] {
        house.call(channel, "hello").await;
        client
            .send(json!({"event": "pusher:latest", "data": {"channel": channel}}))
            .await;
        client.refused(4317).await;
    }
    house.follow("ann", "c").await;
    client.quiet().await;
    assert_eq!(client.subscribe(ANN).await["alias"], json!(["a", "b", "c"]));
}

pub async fn a_channel_held_twice_is_left_when_both_have_ended(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &["a"]).await;
    client.subscribe("a").await;
    client.unsubscribe("a").await;
    house.call("a", "1").await;
    client.expect("call").await;
    client.subscribe("a").await;
    client.unsubscribe(ANN).await;
    house.call("a", "2").await;
    client.expect("call").await;
    client.unsubscribe("a").await;
    house.call("a", "3").await;
    client.quiet().await;
    client.subscribe("a").await;
    client.subscribe(ANN).await;
    house.unfollow("ann", "a").await;
    assert_eq!(told_alias(&mut client).await, json!([]));
    house.call("a", "4").await;
    assert_eq!(client.expect("call").await.data(), "4");
}

pub async fn two_personal_channels_may_share_an_alias(site: &Site) {
    let house = site.house().await;
    house.follow("bo", "a").await;
    let mut client = following(&house, &["a"]).await;
    client.subscribe("personal-bo").await;
    house.call("a", "once").await;
    client.expect("call").await;
    client.quiet().await;
    client.unsubscribe(ANN).await;
    house.call("a", "still").await;
    client.expect("call").await;
    house.unfollow("bo", "a").await;
    client
        .told("pusher_internal:subscription_succeeded", "personal-bo")
        .await;
    house.call("a", "over").await;
    client.quiet().await;
}

pub async fn subscribing_again_takes_new_channel_data(site: &Site) {
    let house = site.house().await;
    let mut watcher = house.client().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    let mut client = following(&house, &["presence-a"]).await;
    watcher.quiet().await;
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
    watcher.quiet().await;
    assert_eq!(
        watcher.latest(json!({"channel": "presence-a"})).await["members"]["ann"]["name"],
        "Anna"
    );
    client.subscribe(ANN).await;
    assert_eq!(
        watcher.expect("pusher:member_removed").await.member()["name"],
        "Anna",
        "nobody again"
    );
    house.call("presence-a", "hello").await;
    client.expect("call").await;
}

pub async fn a_presence_channel_is_joined_with_the_channel_data(site: &Site) {
    let house = site.house().await;
    house.follow("ann", "presence-a").await;
    let [mut watcher, mut client] = house.clients().await;
    watcher
        .join("presence-a", json!({"user_id": "watcher"}))
        .await;
    client
        .join(ANN, json!({"user_id": "ann", "name": "Ann"}))
        .await;
    assert_eq!(
        watcher.expect("pusher:member_added").await.member(),
        json!({"user_id": "ann", "name": "Ann"})
    );
    client.quiet().await;
    assert_eq!(
        users(&client.latest(json!({"channel": "presence-a"})).await),
        ["watcher", "ann"]
    );
    // One that is followed later, too; and no leaving and joining of those that were there.
    watcher
        .join("presence-b", json!({"user_id": "watcher"}))
        .await;
    house.follow("ann", "presence-b").await;
    told_alias(&mut client).await;
    let frame = watcher.expect("pusher:member_added").await;
    assert_eq!(
        (frame.channel(), &frame.member()["name"]),
        ("presence-b", &json!("Ann"))
    );
    house.unfollow("ann", "presence-a").await;
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
    watcher.quiet().await;
}

pub async fn without_channel_data_a_presence_channel_is_heard_only(site: &Site) {
    let house = site.house().await;
    let mut client = following(&house, &["presence-a"]).await;
    let mut watcher = house.client().await;
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
    house.call("presence-a", "hello").await;
    client.expect("call").await;
    client.ended().await;
    watcher.expect("call").await;
    watcher.quiet().await;
}
