//! Pruning and copying what the original stored, and what the original reads.

use mongodb::bson::{Document, doc};
use pushi::core::model::{Secret, SubscriptionFilter, TargetKind};
use pushi::core::ports::{Pruning, ReadLimit};

use super::original::{Original, history, ident, ours, seq};
use crate::fixture::{Fixture, Mongo};
use crate::samples::{NOW, append, channel, said, say, serials, user};

pub(super) async fn original_events_are_pruned<const OTHER: bool>(database: Mongo<OTHER>) {
    let original = Original::on(&database).await;
    for text in ["1", "2", "3"] {
        original.publish("room", text, &["ann"]).await;
        original.publish("unseen", text, &[]).await;
    }
    let stores = database.open().await;
    append(&stores, &[ours("room", "4")]).await;
    let pruned = stores
        .events
        .prune(
            Pruning {
                before: None,
                keep: Some(2),
            },
            100,
        )
        .await
        .unwrap();
    assert_eq!(pruned, 2);
    assert_eq!(
        said(
            &stores
                .events
                .inbox(&ident(), &user("ann"), 0, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["3"]
    );
    let pruned = stores
        .events
        .prune(
            Pruning {
                before: Some(NOW),
                keep: None,
            },
            100,
        )
        .await
        .unwrap();
    assert_eq!(pruned, 4, "also what was never looked at");
    assert_eq!(serials(&history(&stores, "room").await), [4]);
    let left = original
        .database
        .collection::<Document>("pushievent")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(left, 1, "claims go with their events");
    assert_eq!(
        append(&database.open().await, &[ours("room", "5")]).await[0].serial,
        5
    );
}

pub(super) async fn original_data_can_be_copied<const OTHER: bool>(database: Mongo<OTHER>) {
    let original = Original::on(&database).await;
    original.subscribe("ann", "room").await;
    for (name, text, users) in [
        ("room", "1", &["ann"][..]),
        ("else", "2", &["bo"]),
        ("room", "3", &["ann", "bo"]),
        ("room", "4", &[]),
        ("room", "5", &["ann"]),
    ] {
        original.publish(name, text, users).await;
    }
    original.publish("personal-ann", "6", &["ann"]).await;
    let push =
        doc! { "endpoint": "https://push.example/1", "p256dh": "p", "auth": "a", "event": "room" };
    for (name, target) in [
        (
            "web",
            doc! { "url": "https://shop.example/", "event": "room" },
        ),
        ("webpush", push),
    ] {
        original.store(name, target).await;
    }
    let (stores, ident) = (database.open().await, ident());
    let archive = &stores.archive;
    let channels = archive.channels(&ident, None, 9).await.unwrap();
    assert_eq!(
        channels,
        [
            (channel("else"), 1),
            (channel("personal-ann"), 1),
            (channel("room"), 4)
        ]
    );
    assert_eq!(
        said(&archive.events(&ident, 1, 3).await.unwrap()),
        ["2", "3", "4"]
    );
    // What the subscription and the personal channel hold anyway is left out.
    original.publish("room", "7", &["ann"]).await;
    let stores = database.open().await;
    let intervals = stores.archive.intervals(&ident, None, 9).await.unwrap();
    let intervals: Vec<_> = intervals
        .iter()
        .map(|one| {
            (
                one.user_id.as_str(),
                one.channel.as_str(),
                one.start,
                one.end,
            )
        })
        .collect();
    assert_eq!(
        intervals,
        [
            ("ann", "room", 0, 2),
            ("ann", "room", 3, 4),
            ("bo", "else", 0, 1),
            ("bo", "room", 1, 2)
        ]
    );
    let targets = stores
        .archive
        .targets(&ident, TargetKind::WebPush, 0, 9)
        .await
        .unwrap();
    let [target] = &targets[..] else {
        panic!("{targets:?}")
    };
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    assert_eq!(
        (target.id, target.address.expose(), target.created.micros()),
        (1, "https://push.example/1", 1_700_000_000_000_000)
    );
    assert_eq!(
        (secret(&target.p256dh), secret(&target.auth)),
        (Some("p".into()), Some("a".into()))
    );
    let targets = stores
        .archive
        .targets(&ident, TargetKind::Web, 0, 9)
        .await
        .unwrap();
    assert_eq!(
        targets
            .iter()
            .map(|target| (target.channel.as_str(), target.address.expose()))
            .collect::<Vec<_>>(),
        [("room", "https://shop.example/")]
    );
}

pub(super) async fn an_end_that_was_not_finished_is_moved_as_one<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let stores = database.open().await;
    let app = crate::samples::app(&stores, "a").await;
    say(&stores, &app, "room", &["1", "2"]).await;
    stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    say(&stores, &app, "room", &["3"]).await;
    // As if the node had died after its first step.
    let ending = doc! { "$set": { "began": 2, "ending": 3, "app": 1 }, "$unset": { "start": "" } };
    database
        .database()
        .await
        .collection::<Document>("subscription")
        .update_one(doc! {}, ending)
        .await
        .unwrap();
    let intervals = stores.archive.intervals(&app.ident, None, 9).await.unwrap();
    assert_eq!(
        intervals
            .iter()
            .map(|one| (one.user_id.as_str(), one.start, one.end))
            .collect::<Vec<_>>(),
        [("ann", 2, 3)]
    );
    assert_eq!(
        stores
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), 0, 9)
            .await
            .unwrap(),
        []
    );
}

pub(super) async fn stored_events_can_be_read_by_the_original<const OTHER: bool>(
    database: Mongo<OTHER>,
) {
    let stores = database.open().await;
    let app = crate::samples::app(&stores, "a").await;
    stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    say(&stores, &app, "room", &["hello"]).await;
    let read = async |name: &str| {
        let found = database
            .database()
            .await
            .collection::<Document>(name)
            .find_one(doc! { "instance": "a" })
            .await
            .unwrap();
        let found = found.unwrap();
        for member in [
            "id",
            "created",
            "modified",
            "enabled",
            "description",
            "meta",
        ] {
            assert!(found.contains_key(member), "{name}: {member}");
        }
        found
    };
    let (app, event, subscription) = (
        read("app").await,
        read("pushievent").await,
        read("subscription").await,
    );
    let text = |document: &Document, member: &str| document.get_str(member).unwrap().to_owned();
    assert_eq!(
        ["ident", "key", "secret", "name"].map(|member| text(&app, member)),
        ["a", "key-a", "secret-a", "The app a"]
    );
    for member in [
        "apn_sandbox",
        "apn_key",
        "apn_cer",
        "vapid_key",
        "vapid_email",
        "smtp_url",
    ] {
        assert!(app.contains_key(member), "{member}");
    }
    assert_eq!(
        (text(&event, "channel"), event.get_f64("timestamp").unwrap()),
        ("room".into(), NOW.seconds())
    );
    assert!(event.contains_key("mid") && event.contains_key("owner_id"));
    let data = event.get_document("data").unwrap();
    assert_eq!(
        ["channel", "event", "data"].map(|member| text(data, member)),
        ["room", "message", "hello"]
    );
    assert_eq!(
        ["user_id", "event"].map(|member| text(&subscription, member)),
        ["ann", "room"]
    );
    // The original continues the serials of this server.
    let counters = database.database().await.collection::<Document>("counters");
    for name in ["app:id", "pushievent:id", "subscription:id"] {
        assert_eq!(
            seq(&counters
                .find_one(doc! { "_id": name })
                .await
                .unwrap()
                .unwrap()),
            1,
            "{name}"
        );
    }
}
