//! The store is away: who asked for it is told, everything else goes on.

use serde_json::json;

use crate::env::Site;
use crate::faults::{Mood, Moody};
use crate::frame::{said, serials};
use crate::server::publishing;

pub async fn an_app_that_is_known_is_served(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    moody.apps.set(Mood::Down);
    house.client().await.quiet().await;
    let mut stranger = house.caller_with(&house.app, "unknown", None, false).await;
    let frame = stranger.turned_away(4100).await;
    assert!(frame.message().contains("later"), "{frame:?}");
    moody.apps.set(Mood::Well);
    house
        .caller_with(&house.app, "unknown", None, false)
        .await
        .turned_away(4001)
        .await;
}

pub async fn what_needs_the_store_is_4320_and_the_rest_goes_on(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let [mut client, mut other] = house.clients().await;
    client.subscribe("c").await;
    moody.events(Mood::Down);
    moody.subscriptions.set(Mood::Down);
    client
        .publish("c", "message", json!("x"), json!({"ref": "7"}))
        .await;
    let frame = client.refused(4320).await;
    assert_eq!(
        (
            frame.channel(),
            &frame.value["data"]["event"],
            &frame.value["data"]["ref"]
        ),
        ("c", &json!("message"), &json!("7"))
    );
    client.publish("c", "message", json!("x"), json!({})).await;
    assert_eq!(
        client.refused(4320).await.value["data"].get("ref"),
        None,
        "also without a ref"
    );
    client
        .send(json!({"event": "pusher:latest", "data": {"channel": "c"}}))
        .await;
    assert_eq!(client.refused(4320).await.channel(), "c");
    client.ask_for("d", json!({"since": 0})).await;
    client.refused(4320).await;
    client.ask_for("personal-ann", json!({})).await;
    client.refused(4320).await;
    for channel in ["d", "personal-ann"] {
        house.call(channel, "hello").await;
        client
            .publish(channel, "message", json!("x"), json!({"persist": false}))
            .await;
        client.refused(4317).await;
    }
    assert!(
        house
            .try_publish(publishing(&["c"], "message", "x", true))
            .await
            .is_err()
    );
    // What needs no store.
    other.subscribe("c").await;
    other.join("presence-a", json!({"user_id": "ann"})).await;
    client
        .publish("c", "message", json!("live"), json!({"persist": false}))
        .await;
    assert_eq!(other.expect("message").await.data(), "live");
    house.call("c", "live, too").await;
    client.expect("call").await;
    other.expect("call").await;
    moody.events(Mood::Well);
    moody.subscriptions.set(Mood::Well);
    house.until_stored("c").await;
    assert_eq!(client.expect("stored").await.serial(), 1);
    client.subscribe("personal-ann").await;
}

pub async fn what_proves_stored_is_delivered_in_its_place(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let [mut client, mut other] = house.clients().await;
    client.subscribe("c").await;
    other.subscribe("c").await;
    client.store("c", "message", json!("1")).await;
    other.expect("message").await;
    moody.append.set(Mood::Unsure);
    moody.positions.set(Mood::Down);
    client.publish("c", "message", json!("2"), json!({})).await;
    client.refused(4320).await;
    moody.append.set(Mood::Well);
    // Until it is known what became of it, nothing is stored after it; what is not kept goes on.
    client
        .publish("c", "message", json!("refused"), json!({}))
        .await;
    client.refused(4320).await;
    assert!(
        house
            .try_publish(publishing(&["d"], "message", "refused", true))
            .await
            .is_err()
    );
    client
        .publish("c", "message", json!("live"), json!({"persist": false}))
        .await;
    assert_eq!(other.expect("message").await.data(), "live");
    other.quiet().await;
    moody.positions.set(Mood::Well);
    let frame = other.expect("message").await;
    assert_eq!((frame.data(), frame.serial()), ("2", 2));
    assert_eq!(client.store("c", "message", json!("3")).await["serial"], 3);
    assert_eq!(other.expect("message").await.serial(), 3);
    other.quiet().await;
    client.quiet().await;
    assert_eq!(
        said(&other.latest(json!({"channel": "c"})).await),
        ["3", "2", "1"]
    );
}

pub async fn of_many_in_doubt_each_is_settled(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    let mut other = house.subscribed("c").await;
    moody.append.set(Mood::Hanging);
    for n in 0..60 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    moody.append.called(1).await;
    moody.positions.set(Mood::Down);
    // The first ones end unsure; what waits behind them is not tried.
    moody.append.set(Mood::Unsure);
    for _ in 0..60 {
        client.refused(4320).await;
    }
    moody.append.set(Mood::Well);
    moody.positions.set(Mood::Well);
    house.until_stored("c").await;
    let mut serial = 0;
    loop {
        let frame = other.next().await;
        serial += 1;
        assert_eq!(
            frame.serial(),
            serial,
            "all that is stored is delivered, in order"
        );
        if frame.event() == "stored" {
            break;
        }
        assert_eq!(frame.data(), (serial - 1).to_string());
    }
    assert!(serial > 1);
    assert_eq!(
        serials(&other.latest(json!({"channel": "c", "count": 1})).await),
        [serial]
    );
}

pub async fn a_publish_that_was_not_stored_is_forgotten(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    let mut other = house.subscribed("c").await;
    moody.append.set(Mood::Down);
    client
        .publish("c", "message", json!("lost"), json!({}))
        .await;
    client.refused(4320).await;
    moody.append.set(Mood::Well);
    house.until_stored("c").await;
    assert_eq!(other.expect("stored").await.serial(), 1);
    other.quiet().await;
}

pub async fn no_more_than_64_are_unanswered(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    client.subscribe("live").await;
    let mut other = house.subscribed("c").await;
    moody.append.set(Mood::Hanging);
    for n in 0..63 {
        client
            .publish("c", "message", json!(n), json!({"ref": n.to_string()}))
            .await;
    }
    client.quiet().await;
    client
        .publish("c", "message", json!(63), json!({"ref": "63"}))
        .await;
    client.send(json!({"event": "pusher:ping"})).await;
    // It is not read any more, but written to.
    house.call("live", "hello").await;
    client.expect("call").await;
    other.quiet().await;
    moody.append.set(Mood::Well);
    assert_eq!(
        client.expect("pusher_internal:published").await.inner()["ref"],
        "0"
    );
    let mut acknowledged = 1;
    loop {
        let frame = client.next().await;
        match frame.event() {
            "pusher:pong" => break,
            _ => acknowledged += 1,
        }
    }
    while acknowledged < 64 {
        client.expect("pusher_internal:published").await;
        acknowledged += 1;
    }
    for serial in 1..=64 {
        assert_eq!(other.expect("message").await.serial(), serial);
    }
}

pub async fn who_leaves_has_published(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    let mut other = house.subscribed("c").await;
    moody.append.set(Mood::Hanging);
    for n in 0..5 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    client.quiet().await;
    client.ended().await;
    moody.append.set(Mood::Well);
    for serial in 1..=5 {
        assert_eq!(other.expect("message").await.serial(), serial);
    }
}

pub async fn the_same_key_in_one_commit_is_stored_once(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    moody.append.set(Mood::Hanging);
    let keyed = |key: &str| pushi::core::service::Publishing {
        idempotency_key: Some(key.to_owned()),
        ..publishing(&["c"], "message", key, true)
    };
    let plain = |text: &str| publishing(&["c"], "message", text, true);
    let opening = async {
        // All have asked whether they are stored, and wait behind the first append.
        moody.positions.called(4).await;
        moody.append.called(1).await;
        client.quiet().await;
        moody.append.set(Mood::Well);
    };
    let (first, one, two, three, four, five, ()) = tokio::join!(
        house.try_publish(plain("first")),
        house.try_publish(keyed("same")),
        house.try_publish(keyed("same")),
        house.try_publish(plain("between")),
        house.try_publish(keyed("same")),
        house.try_publish(keyed("other")),
        opening,
    );
    for result in [first, one, two, three, four, five] {
        result.unwrap();
    }
    let mut heard = Vec::new();
    for serial in 1..=4 {
        let frame = client.expect("message").await;
        assert_eq!(frame.serial(), serial);
        heard.push(frame.data().to_owned());
    }
    client.quiet().await;
    heard.sort_unstable();
    assert_eq!(heard, ["between", "first", "other", "same"]);
}
