//! Databases of earlier versions, 0.1.0 among them: opened with everything that they hold.

use std::path::Path;

use mongodb::bson::{Bson, Document, doc};
use pushi::core::model::{SubscriptionFilter, TargetFilter, TargetKind, Timestamp};
use pushi::core::ports::{ReadLimit, Stores};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::fixture::{Fixture, Mongo, Postgres, SqliteFile};
use crate::samples::{channel, said, say, user};

const APP: &str = "90aef40e4f4f88d2fa101133f0a44e70dce49aa1c415af4ab5e7f0cd62a4124a";

/// The settings of an app, as 0.1.0 stored them.
const SETTINGS: &str = r#"{"enabled":true,"client_publish":true,"client_events":true,"signed_presence":false,"subscription_count":false,"require_signin":false,"signin_timeout_ms":30000,"tls_only":false,"allowed_origins":[],"over_capacity":4004,"replay":{},"webhooks":[],"limits":{"max_connections":null,"max_message_bytes":null,"max_data_bytes":null,"max_channels_per_connection":null,"max_members":null,"max_member_bytes":null,"max_client_events":null,"max_publishes":null}}"#;
const PUSH: &str = r#"{"apn_sandbox":false,"apn_key":null,"apn_cer":null,"apn_key_id":null,"apn_team_id":null,"apn_topic":null,"vapid_key":null,"vapid_email":null,"smtp_url":null}"#;

/// Microseconds, a time like any other.
const TIME: i64 = 1_796_086_378_383_973;

/// The migrations whose schema can hold targets.
const TARGETS: usize = 4;

/// The migrations whose schema can hold due events.
const DUE: usize = 7;

/// Two events of `orders`, which ann follows, one of `news`, which bob followed, and a target of `orders`, which the second event is
/// due for.
fn rows(migrations: usize) -> String {
    let mut rows = format!(
        "INSERT INTO apps (ident, public_key, name, secret, push, settings, created, modified)
            VALUES ('{APP}', 'old-key', 'Old', 'old-secret', '{PUSH}', '{SETTINGS}', {TIME}, {TIME});
        INSERT INTO channels (app, name, head) VALUES (1, 'orders', 2), (1, 'news', 1);
        INSERT INTO events (app, id, channel, serial, mid, time, name, data, extra) VALUES
            (1, 1, 1, 1, '2abc0daa3355e6c50000000000000000', {TIME}, 'message', 'first', ''),
            (1, 3, 1, 2, '2abc0daa3355e6c50000000000000001', {TIME}, 'message', 'second', ''),
            (1, 5, 2, 1, '2abc0daa3355e6c50000000000000002', {TIME}, 'message', 'other', '');
        INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created) VALUES (1, 2, 'ann', 1, 0, {TIME});
        INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial) VALUES (1, 'bob', 2, 0, 1);"
    );
    if migrations >= TARGETS {
        rows += &format!(
            "INSERT INTO targets (app, id, kind, channel, address, created) VALUES (1, 6, 'smtp', 'orders', 'ann@example.com', {TIME});"
        );
    }
    if migrations >= DUE {
        rows += "INSERT INTO due_publishes (app, event, publish, holder, held_until) VALUES (1, 3, 'publish', '', 0);";
    }
    rows
}

/// Checks what [`rows`] describes, and that the app goes on.
async fn holds_everything(stores: &Stores, targets: bool, due: bool) {
    let app = stores.apps.by_key("old-key").await.unwrap().unwrap();
    let ident = &app.ident;
    assert_eq!((ident.as_str(), app.secret.expose()), (APP, "old-secret"));
    assert!(app.settings.client_events);
    let some = ReadLimit::events(10);
    let orders = channel("orders");
    let replay = stores.events.replay(ident, &orders, 0, 10, some).await;
    assert_eq!(said(&replay.unwrap()), ["first", "second"]);
    for (name, expected) in [("ann", vec!["second", "first"]), ("bob", vec!["other"])] {
        let inbox = stores.events.inbox(ident, &user(name), 0, some).await;
        assert_eq!(said(&inbox.unwrap()), expected, "{name}");
    }
    let all = SubscriptionFilter::default();
    let open = stores.subscriptions.list(ident, &all, 0, 10).await.unwrap();
    assert_eq!(open.len(), 1);
    if targets {
        let all = TargetFilter::default();
        let emails = stores
            .targets
            .list_targets(ident, TargetKind::Smtp, &all, 0, 10)
            .await
            .unwrap();
        let [email] = &emails[..] else {
            panic!("{emails:?}")
        };
        assert_eq!(email.address.expose(), "ann@example.com");
        assert_eq!((&email.away, &email.digest), (&None, &None));
    }
    if due {
        let (now, until) = (
            Timestamp::from_micros(TIME),
            Timestamp::from_micros(TIME + 1),
        );
        let claim = stores.due.claim_due("n", now, until, (&[], None), 9, 9);
        let claimed = claim.await.unwrap();
        let publishes = claimed
            .iter()
            .map(|due| (&*due.publish, &*due.event.new.payload.data));
        assert_eq!(publishes.collect::<Vec<_>>(), [("publish", "second")]);
    }
    let next = say(stores, &app, "orders", &["third"]).await;
    assert_eq!(next[0].serial, 3);
    let inbox = stores.events.inbox(ident, &user("ann"), 0, some).await;
    assert_eq!(said(&inbox.unwrap()), ["third", "second", "first"]);
}

/// The schema of a version that had this many of the migrations in a folder.
async fn migrate<C>(connection: &mut C, folder: &str, migrations: usize)
where
    C: Connection + Migrate,
{
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut migrator = Migrator::new(path).await.unwrap();
    migrator.migrations.to_mut().truncate(migrations);
    migrator.run_direct(None, connection, false).await.unwrap();
}

/// The number of migrations of this version.
fn newest() -> usize {
    std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite"))
        .unwrap()
        .count()
}

#[tokio::test]
async fn sqlite_files_of_each_earlier_version_are_upgraded() {
    for migrations in 1..newest() {
        let file = SqliteFile::new();
        let mut old = SqliteConnectOptions::new()
            .filename(file.path())
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        migrate(&mut old, "migrations/sqlite", migrations).await;
        let counter = "INSERT INTO counters (app, last_id) VALUES (1, 6)";
        for sql in [rows(migrations), counter.into()] {
            old.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        old.close().await.unwrap();
        holds_everything(&file.open().await, migrations >= TARGETS, migrations >= DUE).await;
    }
}

#[tokio::test]
async fn postgresql_databases_of_each_earlier_version_are_upgraded() {
    for migrations in 1..newest() {
        let Some(database) = Postgres::start().await else {
            return;
        };
        let mut old = PgConnection::connect(&database.url("")).await.unwrap();
        migrate(&mut old, "migrations/postgres", migrations).await;
        for sql in [rows(migrations), "SELECT setval('ids', 6)".into()] {
            old.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        old.close().await.unwrap();
        holds_everything(
            &database.open().await,
            migrations >= TARGETS,
            migrations >= DUE,
        )
        .await;
    }
}

/// What 0.1.0 stored in MongoDB, by collection.
fn documents() -> Vec<(&'static str, Document)> {
    let mut app = doc! {
        "_id": format!("app/{APP}"), "id": 1_i64, "ident": APP, "instance": APP, "name": "Old", "description": Bson::Null,
        "key": "old-key", "secret": "old-secret", "previous_secret": Bson::Null, "enabled": true, "settings": SETTINGS,
        "created": TIME / 1_000_000, "created_us": TIME, "modified": TIME / 1_000_000, "modified_us": TIME, "meta": {},
    };
    let push: serde_json::Map<String, serde_json::Value> = serde_json::from_str(PUSH).unwrap();
    for (name, value) in push {
        app.insert(name, value.as_bool().map_or(Bson::Null, Bson::Boolean));
    }
    let event = |place: &str, serial: i64, id: i64, text: &str| {
        doc! {
            "_id": format!("{APP}/{place}/{serial}"), "instance": APP, "app": 1_i64, "channel": place, "serial": serial, "id": id,
            "mid": format!("2abc0daa3355e6c5000000000000000{id}"), "owner_id": Bson::Null, "timestamp": 1_796_086_378.461_079,
            "data": { "channel": place, "event": "message", "data": text }, "created": TIME / 1_000_000,
            "modified": TIME / 1_000_000, "enabled": true, "description": Bson::Null, "meta": {},
        }
    };
    let head = |place: &str, serial: i64, id: i64| {
        doc! { "_id": format!("1/{place}"), "serial": serial, "id": id, "instance": APP, "app": 1_i64, "channel": place }
    };
    let claim = |value: &str| doc! { "_id": value, "ident": APP, "at": TIME };
    let counter = |name: &str, seq: i64| doc! { "_id": format!("{name}:id"), "seq": seq };
    vec![
        ("app", app),
        ("pushi_claims", claim(&format!("ident/{APP}"))),
        ("pushi_claims", claim("key/old-key")),
        ("counters", counter("app", 1)),
        ("counters", counter("subscription", 2)),
        ("counters", counter("pushievent", 3)),
        ("pushievent", event("orders", 1, 1, "first")),
        ("pushievent", event("orders", 2, 2, "second")),
        ("pushievent", event("news", 1, 3, "other")),
        ("pushi_heads", head("orders", 2, 2)),
        ("pushi_heads", head("news", 1, 3)),
        (
            "subscription",
            doc! {
                "_id": "1/ann\norders", "instance": APP, "app": 1_i64, "id": 1_i64, "user_id": "ann", "event": "orders", "start": 0_i64,
                "created": TIME / 1_000_000, "created_us": TIME, "modified": TIME / 1_000_000, "enabled": true,
                "description": Bson::Null, "meta": {},
            },
        ),
        (
            "pushi_intervals",
            doc! { "_id": "1/2", "instance": APP, "app": 1_i64, "user_id": "bob", "event": "news", "start": 0_i64, "end": 1_i64 },
        ),
        ("pushi_state", doc! { "_id": "revision", "value": 1_i64 }),
    ]
}

async fn mongodb_is_upgraded<const OTHER: bool>() {
    let Some(fixture) = Mongo::<OTHER>::start().await else {
        return;
    };
    let database = fixture.database().await;
    for (collection, document) in documents() {
        database
            .collection::<Document>(collection)
            .insert_one(document)
            .await
            .unwrap();
    }
    holds_everything(&fixture.open().await, false, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mongodb_database_of_0_1_0_is_upgraded() {
    mongodb_is_upgraded::<false>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_0_1_0_on_the_other_mongodb_is_upgraded() {
    mongodb_is_upgraded::<true>().await;
}
