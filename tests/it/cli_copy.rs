//! Moving between stores.

use crate::cli::Shell;
use crate::servers::{MongoDatabase, PostgresSchema};

/// A shell with a store in `from.db` that has something of what is copied.
async fn filled() -> Shell {
    use pushi::core::model::{AppIdent, ChannelName, Mid, NewEvent, Payload, Timestamp, UserId};
    use pushi::outbound::storage::sql::sqlite::{SqliteOptions, open};

    let shell = Shell::new();
    shell.printed(&["app", "create", "--name", "A", "--ident", "a", "--key", "ka", "--secret", "sa", "--database-url", "sqlite://from.db"]);
    let path = Some(shell.folder.path().join("from.db"));
    let stores = open(SqliteOptions { path, timeout: std::time::Duration::from_secs(30), readers: 2 }).await.unwrap();
    let (app, x, now) = (AppIdent::trusted("a"), ChannelName::trusted("x"), Timestamp::from_micros(1_795_337_089_420_001));
    let (user, former) = (UserId::parse("u").unwrap(), UserId::parse("former").unwrap());
    stores.subscriptions.add(&app, &former, &x, now).await.unwrap();
    let event = |n: usize| NewEvent {
        app: app.clone(),
        mid: Mid(format!("{n:032x}").into()),
        channel: x.clone(),
        owner_id: Some("1.2".into()),
        timestamp: now,
        publish: None,
        payload: Payload { event: "e".into(), data: "d".into(), extra: r#""more":1"#.into() },
    };
    let events: Vec<NewEvent> = (0..1200).map(event).collect();
    assert!(stores.events.append(&events).await.iter().all(Result::is_ok));
    stores.subscriptions.add(&app, &user, &x, now).await.unwrap();
    stores.subscriptions.remove(&app, &former, &x, now).await.unwrap();
    stores.database.close().await;
    shell
}

fn assert_copied(printed: &str) {
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[..5],
        [["apps", "1"], ["channels", "1"], ["events", "1200"], ["subscriptions", "1"], ["intervals", "1"]].map(Vec::from)
    );
    assert!(printed.ends_with("each count and checksum is the same in both stores\n"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_copied_and_what_is_there_is_not_overwritten_unasked() {
    let shell = filled().await;
    let copy = ["copy", "--from", "sqlite://from.db", "--to", "sqlite://to.db"];
    assert_copied(&shell.printed(&copy));
    assert!(shell.complaint(&copy, &[], 1).contains("--resume"));
    assert_copied(&shell.printed(&[&copy[..], &["--resume"]].concat()));
    assert_copied(&shell.printed(&[&copy[..], &["--into-existing"]].concat()));
    let shown = |url| shell.json(&["app", "show", "a", "--json", "--database-url", url]);
    assert_eq!(shown("sqlite://to.db"), shown("sqlite://from.db"));
}

#[test]
fn what_cannot_be_copied_is_said_in_one_line() {
    let shell = Shell::new();
    let complaint = |from: &str, to: &str, code| shell.complaint(&["copy", "--from", from, "--to", to], &[], code);
    assert!(complaint("sqlite://a.db", "sqlite://a.db", 1).contains("same store"));
    assert!(complaint("sqlite://a.db", "sqlite://b.db", 2).contains("no file"));
    assert!(complaint("mysql://a", "sqlite://b.db", 2).starts_with("--from must be"));
    assert!(!shell.folder.path().join("b.db").exists());
    for (name, key) in [("one.db", "k1"), ("two.db", "k2")] {
        shell.printed(&["app", "create", "--name", "A", "--ident", "a", "--key", key, "--database-url", &format!("sqlite://{name}")]);
    }
    let line = shell.complaint(&["copy", "--from", "sqlite://one.db", "--to", "sqlite://two.db", "--resume"], &[], 1);
    assert!(line.contains("same ident"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_is_copied_into_every_other() {
    let shell = filled().await;
    let copy = |from: &str, to: &str| assert_copied(&shell.printed(&["copy", "--from", from, "--to", to]));
    if let (Some(one), Some(two)) = (PostgresSchema::start().await, PostgresSchema::start().await) {
        copy("sqlite://from.db", &one.url(""));
        copy(&one.url(""), &two.url(""));
        copy(&two.url(""), "sqlite://of-postgres.db");
    }
    let mongo = |database: &MongoDatabase| {
        let (servers, options) = database.url.split_once('?').unwrap_or((&database.url, ""));
        let slash = if servers.matches('/').count() == 2 { "/" } else { "" };
        format!("{servers}{slash}{}?{options}", database.name)
    };
    if let (Some(one), Some(two)) = (MongoDatabase::start("PUSHI_TEST_MONGO_URL").await, MongoDatabase::start("PUSHI_TEST_MONGO_URL").await)
    {
        copy("sqlite://from.db", &mongo(&one));
        copy(&mongo(&one), &mongo(&two));
        copy(&mongo(&two), "sqlite://of-mongodb.db");
        if let (Some(there), Some(back)) = (PostgresSchema::start().await, MongoDatabase::start("PUSHI_TEST_MONGO_URL").await) {
            copy(&mongo(&two), &there.url(""));
            copy(&there.url(""), &mongo(&back));
        }
    }
}
