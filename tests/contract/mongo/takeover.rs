//! Taking over a database of the original server.

use mongodb::bson::{Document, doc};
use pushi::core::model::SubscriptionFilter;
use pushi::core::ports::ReadLimit;

use super::original::{Original, history, ident, ours};
use crate::fixture::{Fixture, Mongo};
use crate::samples::{NOW, append, channel, said, serials, user};

pub(super) async fn original_data_is_read<const OTHER: bool>(database: Mongo<OTHER>) {
    let original = Original::on(&database).await;
    for text in ["one", "two", "three"] {
        original.publish("room", text, &[]).await;
        original.publish("other", text, &[]).await;
    }
    let stores = database.open().await;
    let app = stores.apps.by_key("the-key").await.unwrap().unwrap();
    assert_eq!(
        (app.ident.as_str(), app.secret.expose(), &*app.name),
        (Original::APP, "the-secret", "Old")
    );
    assert!(app.settings.enabled);
    let events = history(&stores, "room").await;
    assert_eq!(
        (said(&events), serials(&events)),
        (vec!["one", "two", "three"], vec![1, 2, 3])
    );
    assert_eq!(events[0].new.timestamp.micros(), 1_700_000_000_250_000);
    assert_eq!(
        events[0].new.payload.extra.as_str(),
        r#""colour":"red","n":[1,2.5]"#
    );
    assert_eq!(
        stores
            .events
            .recent(&ident(), None, ReadLimit::events(2))
            .await
            .unwrap()
            .iter()
            .map(|event| event.position.id)
            .collect::<Vec<_>>(),
        [6, 5]
    );
    let next = append(&stores, &[ours("room", "four"), ours("new", "first")]).await;
    assert_eq!(
        next.iter().map(|at| (at.serial, at.id)).collect::<Vec<_>>(),
        [(4, 7), (1, 8)]
    );
    assert_eq!(
        said(&history(&stores, "room").await),
        ["one", "two", "three", "four"]
    );
}

pub(super) async fn events_stored_later_by_the_original_are_read<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    original.publish("room", "1", &[]).await;
    let stores = database.open().await;
    append(&stores, &[ours("room", "2")]).await;
    original.publish("room", "3", &[]).await;
    original.publish("room", "4", &[]).await;
    // Another node, which has not looked at the channel within the last second.
    let other = database.open().await;
    assert_eq!(append(&other, &[ours("room", "5")]).await[0].serial, 5);
    assert_eq!(append(&stores, &[ours("room", "6")]).await[0].serial, 6);
    for stores in [stores, other, database.open().await] {
        let events = history(&stores, "room").await;
        assert_eq!(
            (said(&events), serials(&events)),
            (vec!["1", "2", "3", "4", "5", "6"], vec![1, 2, 3, 4, 5, 6])
        );
    }
}

pub(super) async fn several_nodes_give_the_same_serials<const OTHER: bool>(database: Mongo<OTHER>) {
    let original = Original::on(&database).await;
    for n in 0..60 {
        original.publish("room", &format!("{n:02}"), &[]).await;
    }
    let nodes = [
        database.open().await,
        database.open().await,
        database.open().await,
        database.open().await,
    ];
    let tasks = nodes.clone().into_iter().enumerate().map(|(n, stores)| {
        tokio::spawn(async move {
            if n % 2 == 0 {
                append(&stores, &[ours("room", "new"), ours("room", "new")]).await;
            }
            history(&stores, "room").await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let events = history(&nodes[0], "room").await;
    assert_eq!(serials(&events), (1..=64).collect::<Vec<_>>());
    let old: Vec<&str> = said(&events)
        .into_iter()
        .filter(|text| *text != "new")
        .collect();
    assert!(old.len() == 60 && old.is_sorted(), "{old:?}");
}

pub(super) async fn a_numbering_that_was_not_finished_goes_on<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    for text in ["1", "2", "3"] {
        original.publish("room", text, &[]).await;
    }
    let events = original.database.collection::<Document>("pushievent");
    assert_eq!(
        said(&history(&database.open().await, "room").await),
        ["1", "2", "3"]
    );
    // As if the node had died between claiming the serials and writing them down.
    events
        .update_many(
            doc! { "instance": Original::APP },
            doc! { "$unset": { "serial": "" } },
        )
        .await
        .unwrap();
    original.publish("room", "4", &[]).await;
    let stores = database.open().await;
    assert_eq!(append(&stores, &[ours("room", "5")]).await[0].serial, 5);
    assert_eq!(
        said(&history(&stores, "room").await),
        ["1", "2", "3", "4", "5"]
    );
}

pub(super) async fn a_subscription_of_the_original_begins_now_and_counts_once<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    original.publish("room", "before", &["ann"]).await;
    original.subscribe("ann", "room").await;
    original.subscribe("ann", "room").await;
    original.subscribe("bo", "room").await;
    let stores = database.open().await;
    let listed = stores
        .subscriptions
        .list(&ident(), &SubscriptionFilter::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|open| (open.id, open.user_id.as_str(), open.start))
            .collect::<Vec<_>>(),
        [(1, "ann", 1), (3, "bo", 1)]
    );
    assert_eq!(
        stores
            .subscriptions
            .channels_of(&ident(), &user("ann"), 1000)
            .await
            .unwrap(),
        [channel("room")]
    );
    let (there, new) = stores
        .subscriptions
        .add(&ident(), &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    assert_eq!((there.id, new), (1, false));
    append(&stores, &[ours("room", "after")]).await;
    let ended = stores
        .subscriptions
        .remove(&ident(), &user("ann"), &channel("room"), NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((ended.id, ended.start, ended.end), (1, 1, Some(2)));
    assert_eq!(
        stores
            .subscriptions
            .remove(&ident(), &user("ann"), &channel("room"), NOW)
            .await
            .unwrap(),
        None
    );
    let left = original
        .database
        .collection::<Document>("subscription")
        .count_documents(doc! { "user_id": "ann" })
        .await
        .unwrap();
    assert_eq!(left, 0, "all its documents are gone");
    assert_eq!(
        said(
            &stores
                .events
                .inbox(&ident(), &user("ann"), 0, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["after", "before"]
    );
    // One that the original makes while this server runs.
    original.subscribe("cy", "room").await;
    assert_eq!(
        stores
            .subscriptions
            .channels_of(&ident(), &user("cy"), 1000)
            .await
            .unwrap(),
        [channel("room")]
    );
}

pub(super) async fn an_inbox_holds_what_the_original_sent_to_the_user<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let original = Original::on(&database).await;
    original.subscribe("ann", "room").await;
    for (name, text, users) in [
        ("room", "1", &["ann"][..]),
        ("room", "2", &["ann", "bo"]),
        ("else", "3", &["bo"]),
        ("ended", "4", &["ann"]),
    ] {
        original.publish(name, text, users).await;
    }
    original.publish("personal-ann", "5", &[]).await;
    let stores = database.open().await;
    let inbox = async |skip, limit| {
        let events = stores
            .events
            .inbox(&ident(), &user("ann"), skip, ReadLimit::events(limit))
            .await
            .unwrap();
        events
            .iter()
            .map(|event| event.new.payload.data.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(inbox(0, 10).await, ["5", "4", "2", "1"]);
    append(&stores, &[ours("room", "6"), ours("else", "7")]).await;
    // Again by the original: in the interval of the subscription, and sent to the user as well.
    original.publish("room", "8", &["ann"]).await;
    let other = database.open().await;
    assert_eq!(
        said(
            &other
                .events
                .inbox(&ident(), &user("ann"), 0, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["8", "6", "5", "4", "2", "1"]
    );
    assert_eq!(
        said(
            &other
                .events
                .inbox(&ident(), &user("ann"), 1, ReadLimit::events(3))
                .await
                .unwrap()
        ),
        ["6", "5", "4"]
    );
}
