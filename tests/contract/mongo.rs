//! What holds for MongoDB alone: opening, and taking over what the original stored.

use std::sync::Arc;
use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use mongodb::options::IndexOptions;
use pushi::core::model::{AppIdent, Event, NewEvent, Secret, SubscriptionFilter, TargetKind};
use pushi::core::ports::{Pruning, Stores};

use crate::fixture::{Fixture, Mongo, TIMEOUT};
use crate::samples::{NOW, append, channel, event, said, say, serials, user};

/// Each on both servers.
macro_rules! on_each {
    ($($case:ident,)+) => {
        mod on_mongodb {
            $(on_each!(@ $case, false);)+
        }
        mod on_other_mongodb {
            $(on_each!(@ $case, true);)+
        }
    };
    (@ $case:ident, $other:literal) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if let Some(database) = <crate::fixture::Mongo<$other> as crate::fixture::Fixture>::start().await {
                super::$case(database).await;
            }
        }
    };
}

on_each! {
    several_that_start_at_once_do_not_collide,
    what_the_original_stored_is_there,
    what_the_original_stores_later_follows,
    several_nodes_give_the_same_serials,
    a_numbering_that_was_not_finished_goes_on,
    a_subscription_of_the_original_begins_now_and_counts_once,
    an_inbox_holds_what_the_original_sent_to_the_user,
    what_the_original_stored_is_pruned,
    what_the_original_stored_can_be_moved,
    an_end_that_was_not_finished_is_moved_as_one,
    what_is_stored_can_be_read_by_the_original,
}

/// The one line that says why `url` cannot be opened.
async fn refusal(url: &str, timeout: Duration) -> String {
    use pushi::core::model::Secret;
    use pushi::outbound::storage::mongodb::{MongoOptions, open};
    let options = MongoOptions {
        url: Secret::new(url),
        database: "pushi".into(),
        timeout,
        pool: 1,
    };
    let Err(error) = open(options).await else {
        panic!("it was opened")
    };
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    line
}

#[tokio::test]
async fn a_url_that_leads_nowhere_is_refused() {
    let line = refusal("mongodb://ann:hunter2@127.0.0.1:notaport/", TIMEOUT).await;
    assert!(
        line.starts_with("the MongoDB URL cannot be read: "),
        "{line}"
    );
    let line = refusal("mongodb://127.0.0.1/?w=0", TIMEOUT).await;
    assert!(
        line.starts_with("the MongoDB URL cannot be read: "),
        "{line}"
    );
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let line = refusal(
        &format!("mongodb://ann:hunter2@127.0.0.1:{port}"),
        Duration::from_millis(200),
    )
    .await;
    assert!(
        line.starts_with(&format!("the MongoDB database pushi on 127.0.0.1:{port} ")),
        "{line}"
    );
    // Something that listens and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let line = refusal(
        &format!("mongodb://ann:hunter2@{address}"),
        Duration::from_millis(200),
    )
    .await;
    assert!(
        line.ends_with("is it the right address, and does the server run?")
            || line.contains("cannot be reached"),
        "{line}"
    );
}

async fn several_that_start_at_once_do_not_collide<const OTHER: bool>(database: Mongo<OTHER>) {
    let database = Arc::new(database);
    let open = || {
        let database = database.clone();
        tokio::spawn(async move { database.open().await })
    };
    for task in (0..8).map(|_| open()).collect::<Vec<_>>() {
        task.await.unwrap().database.ping().await.unwrap();
    }
}

/// Writes as the original does.
struct Original {
    database: mongodb::Database,
}

impl Original {
    const APP: &str = "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";

    /// One that has run on the database, with its indexes and an app.
    async fn on<const OTHER: bool>(database: &Mongo<OTHER>) -> Self {
        let original = Self {
            database: database.database().await,
        };
        for (name, members) in [
            ("pushievent", ["mid", "id"]),
            ("subscription", ["event", "id"]),
        ] {
            for member in members {
                for direction in [1, -1] {
                    let sparse = IndexOptions::builder().sparse(true).build();
                    let index = IndexModel::builder()
                        .keys(doc! { member: direction })
                        .options(sparse)
                        .build();
                    original
                        .database
                        .collection::<Document>(name)
                        .create_index(index)
                        .await
                        .unwrap();
                }
            }
        }
        let app = doc! { "ident": Self::APP, "key": "the-key", "secret": "the-secret", "name": "Old", "apn_sandbox": Bson::Null };
        original.store("app", app).await;
        original
    }

    async fn store(&self, name: &str, more: Document) -> i64 {
        let counter = doc! { "_id": format!("{name}:id") };
        let counters = self.database.collection::<Document>("counters");
        let counted = counters
            .find_one_and_update(counter.clone(), doc! { "$inc": { "seq": 1 } })
            .upsert(true)
            .await
            .unwrap();
        let id = counted.map_or(0, |counted| seq(&counted)) + 1;
        let mut document = doc! { "_id": ObjectId::new(), "id": i32::try_from(id).unwrap(), "instance": Self::APP, "enabled": true };
        document.extend(doc! { "created": 1_700_000_000, "modified": 1_700_000_000, "description": Bson::Null, "meta": Bson::Null });
        document.extend(more);
        self.database
            .collection::<Document>(name)
            .insert_one(document)
            .await
            .unwrap();
        id
    }

    async fn publish(&self, name: &str, text: &str, users: &[&str]) {
        let mid = ObjectId::new().to_hex();
        let data = doc! { "channel": name, "event": "message", "data": text, "persist": true, "colour": "red", "n": [1, 2.5] };
        let event = doc! { "mid": &mid, "channel": name, "owner_id": Bson::Null, "timestamp": 1_700_000_000.25, "data": data };
        self.store("pushievent", event).await;
        for user in users {
            self.store("association", doc! { "mid": &mid, "user_id": *user })
                .await;
        }
    }

    async fn subscribe(&self, user: &str, name: &str) {
        self.store("subscription", doc! { "user_id": user, "event": name })
            .await;
    }
}

fn seq(counter: &Document) -> i64 {
    counter
        .get_i64("seq")
        .or_else(|_| counter.get_i32("seq").map(i64::from))
        .unwrap()
}

fn ident() -> AppIdent {
    AppIdent::trusted(Original::APP)
}

async fn history(stores: &Stores, name: &str) -> Vec<Event> {
    stores
        .events
        .replay(&ident(), &channel(name), 0, 1000, 1000)
        .await
        .unwrap()
}

/// An event of the original's app.
fn ours(name: &str, text: &str) -> NewEvent {
    let app = pushi::core::model::App {
        id: 1,
        ident: ident(),
        name: String::new(),
        description: None,
        key: String::new(),
        secret: pushi::core::model::Secret::new(""),
        previous_secret: None,
        push: Default::default(),
        settings: Default::default(),
        created: NOW,
        modified: NOW,
    };
    event(&app, name, text)
}

async fn what_the_original_stored_is_there<const OTHER: bool>(database: Mongo<OTHER>) {
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
        &*events[0].new.payload.extra,
        r#""colour":"red","n":[1,2.5]"#
    );
    assert_eq!(
        stores
            .events
            .recent(&ident(), 2)
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

async fn what_the_original_stores_later_follows<const OTHER: bool>(database: Mongo<OTHER>) {
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

async fn several_nodes_give_the_same_serials<const OTHER: bool>(database: Mongo<OTHER>) {
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

async fn a_numbering_that_was_not_finished_goes_on<const OTHER: bool>(database: Mongo<OTHER>) {
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

async fn a_subscription_of_the_original_begins_now_and_counts_once<const OTHER: bool>(
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
            .channels_of(&ident(), &user("ann"))
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
                .inbox(&ident(), &user("ann"), 0, 10)
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
            .channels_of(&ident(), &user("cy"))
            .await
            .unwrap(),
        [channel("room")]
    );
}

async fn an_inbox_holds_what_the_original_sent_to_the_user<const OTHER: bool>(
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
            .inbox(&ident(), &user("ann"), skip, limit)
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
                .inbox(&ident(), &user("ann"), 0, 10)
                .await
                .unwrap()
        ),
        ["8", "6", "5", "4", "2", "1"]
    );
    assert_eq!(
        said(
            &other
                .events
                .inbox(&ident(), &user("ann"), 1, 3)
                .await
                .unwrap()
        ),
        ["6", "5", "4"]
    );
}

async fn what_the_original_stored_is_pruned<const OTHER: bool>(database: Mongo<OTHER>) {
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
                .inbox(&ident(), &user("ann"), 0, 10)
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

async fn what_the_original_stored_can_be_moved<const OTHER: bool>(database: Mongo<OTHER>) {
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

async fn an_end_that_was_not_finished_is_moved_as_one<const OTHER: bool>(database: Mongo<OTHER>) {
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

async fn what_is_stored_can_be_read_by_the_original<const OTHER: bool>(database: Mongo<OTHER>) {
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
    // The original goes on counting where this server stopped.
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
