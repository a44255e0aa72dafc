//! `pushi copy`.

mod between_stores;
mod resuming;
mod samples;

use pushi::core::model::{
    AppIdent, Away, CachedEvent, ChannelName, DigestWindow, FurtherMembers, Mid, NewEvent,
    NotificationTarget, Payload, Secret, TargetKind, Timestamp, UserId,
};
use pushi::core::ports::{Pruning, Stores};
use pushi::outbound::storage::{mongodb, sql};

use crate::cli::{Done, Shell};

const NOW: Timestamp = Timestamp::from_micros(1_795_337_089_420_001);

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A store of the command, opened by the test.
async fn open(shell: &Shell, url: &str) -> Stores {
    if let Some(file) = url.strip_prefix("sqlite://") {
        let path = Some(shell.folder.path().join(file));
        sql::sqlite::open(sql::sqlite::SqliteOptions {
            path,
            timeout: PATIENCE,
            readers: 2,
        })
        .await
        .unwrap()
    } else if url.starts_with("postgres") {
        sql::postgres::open(sql::postgres::PostgresOptions {
            url: Secret::new(url),
            timeout: PATIENCE,
            pool: 2,
        })
        .await
        .unwrap()
    } else {
        let database = url
            .split('?')
            .next()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .into();
        mongodb::open(mongodb::MongoOptions {
            url: Secret::new(url),
            database,
            timeout: PATIENCE,
            pool: 2,
        })
        .await
        .unwrap()
    }
}

fn event(app: &str, channel: &str, n: usize) -> NewEvent {
    NewEvent {
        app: AppIdent::trusted(app),
        mid: Mid(format!("{app}{n:030x}").into()),
        channel: ChannelName::trusted(channel),
        owner_id: Some("1.2".into()),
        timestamp: NOW,
        publish: None,
        payload: Payload {
            event: "e".into(),
            data: "d\0\"é".into(),
            extra: FurtherMembers::trusted(r#""more":1"#),
        },
    }
}

fn create(shell: &Shell, ident: &str, file: &str) {
    let (key, url) = (format!("k{ident}"), format!("sqlite://{file}"));
    shell.printed(&[
        "app",
        "create",
        "--name",
        "A",
        "--ident",
        ident,
        "--key",
        &key,
        "--secret",
        "s",
        "--database-url",
        &url,
    ]);
}

/// A shell with a store in `from.db` that has something of all that is copied.
async fn filled() -> Shell {
    let shell = Shell::new();
    create(&shell, "a", "from.db");
    create(&shell, "b", "from.db");
    let stores = open(&shell, "sqlite://from.db").await;
    let (app, x) = (AppIdent::trusted("a"), ChannelName::trusted("x"));
    let (user, former) = (
        UserId::parse("u").unwrap(),
        UserId::parse("former").unwrap(),
    );
    let append = async |channel: &str, numbers: std::ops::Range<usize>| {
        let events: Vec<NewEvent> = numbers.map(|n| event("a", channel, n)).collect();
        assert!(
            stores
                .events
                .append(&events)
                .await
                .iter()
                .all(Result::is_ok)
        );
    };
    append("pruned", 0..3).await;
    assert_eq!(
        stores
            .events
            .prune(
                Pruning {
                    before: Some(NOW.plus(PATIENCE)),
                    keep: None
                },
                9
            )
            .await
            .unwrap(),
        3
    );
    append("y:&", 3..4).await;
    stores
        .subscriptions
        .add(&app, &former, &x, NOW)
        .await
        .unwrap();
    append("x", 10..20).await;
    stores
        .subscriptions
        .remove(&app, &former, &x, NOW)
        .await
        .unwrap();
    append("x", 100..1200).await;
    stores
        .subscriptions
        .add(&app, &former, &x, NOW)
        .await
        .unwrap();
    append("x", 1200..1210).await;
    stores
        .subscriptions
        .remove(&app, &former, &x, NOW)
        .await
        .unwrap();
    stores
        .subscriptions
        .add(&app, &user, &x, NOW)
        .await
        .unwrap();
    assert!(stores.events.append(&[event("b", "x", 1)]).await[0].is_ok());
    let NewEvent {
        app, mid, payload, ..
    } = event("a", "cache-x", 3000);
    let (channel, event, data) = (ChannelName::trusted("cache-x"), payload.event, payload.data);
    let cached = CachedEvent {
        app: app.clone(),
        channel,
        mid,
        event,
        data,
        timestamp: NOW,
        serial: None,
        expires: NOW.plus(PATIENCE),
    };
    stores.cache.keep(&[cached]).await.unwrap();
    let target = |(kind, _)| {
        let address = Secret::new("https://shop.example/");
        NotificationTarget {
            kind,
            id: 7,
            channel: x.clone(),
            address,
            p256dh: None,
            auth: Some(Secret::new("s")),
            away: Some(Away {
                delay: std::time::Duration::from_secs(30),
                user: UserId::parse("ann"),
            }),
            digest: DigestWindow::parse("15m"),
            created: NOW,
        }
    };
    stores
        .archive
        .put_targets(&app, &TargetKind::NAMES.map(target))
        .await
        .unwrap();
    let (event, publish) = ([samples::due_event()], [Some("p".into())]);
    let due = stores.events.append_due(&event, &publish);
    assert!(due.await[0].is_ok());
    let waiting = samples::waiting(&app, &x);
    stores.outbox.put(&[waiting]).await.unwrap();
    stores.database.close().await;
    shell
}

/// What was counted at the end of a copy that must succeed.
fn counts(done: &Done) -> Vec<(&str, u64)> {
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (counted, last) = done.out.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(last, "all counts and checksums are the same in both stores");
    counted
        .lines()
        .map(|line| {
            line.rsplit_once(' ')
                .map(|(kind, count)| (kind.trim(), count.parse().unwrap()))
                .unwrap()
        })
        .collect()
}

const COUNTS: [(&str, u64); 9] = [
    ("apps", 2),
    ("channels", 4),
    ("events", 1123),
    ("subscriptions", 1),
    ("intervals", 2),
    ("cached events", 1),
    ("targets", 4),
    ("due events", 1),
    ("notifications", 3),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_everything_and_overwrites_only_on_request() {
    let shell = filled().await;
    let copy = [
        "copy",
        "--from",
        "sqlite://from.db",
        "--to",
        "sqlite://to.db",
    ];
    let done = shell.run(&copy);
    assert_eq!(counts(&done), COUNTS);
    assert_eq!(
        done.err,
        "app a: copying\napp b: copying\napp a: comparing\napp b: comparing\n"
    );
    assert!(shell.complaint(&copy, &[], 1).contains("--resume"));
    assert_eq!(
        counts(&shell.run(&[&copy[..], &["--resume"]].concat())),
        COUNTS
    );
    assert_eq!(
        counts(&shell.run(&[&copy[..], &["--into-existing"]].concat())),
        COUNTS
    );
    let shown = |url| shell.json(&["app", "show", "a", "--json", "--database-url", url]);
    assert_eq!(shown("sqlite://to.db"), shown("sqlite://from.db"));
    // Another app that is there stays, and is not counted.
    create(&shell, "c", "other.db");
    let into = [
        "copy",
        "--from",
        "sqlite://from.db",
        "--to",
        "sqlite://other.db",
        "--into-existing",
    ];
    assert_eq!(counts(&shell.run(&into)), COUNTS);
    assert_eq!(
        shell.json(&[
            "app",
            "show",
            "c",
            "--json",
            "--database-url",
            "sqlite://other.db"
        ])["key"],
        "kc"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_is_reported_and_fails() {
    let shell = filled().await;
    let copy = [
        "copy",
        "--from",
        "sqlite://from.db",
        "--to",
        "sqlite://to.db",
        "--resume",
    ];
    assert_eq!(counts(&shell.run(&copy)), COUNTS);
    let complaint = || {
        let Done { code, out, err } = shell.run(&copy);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        err.lines().last().unwrap().to_owned()
    };
    // An event with other data under the same id.
    let connect =
        sqlx::sqlite::SqliteConnectOptions::new().filename(shell.folder.path().join("to.db"));
    let mut connection = sqlx::ConnectOptions::connect(&connect).await.unwrap();
    let change = async |connection: &mut sqlx::SqliteConnection, sql| {
        assert_eq!(
            sqlx::query(sql)
                .execute(connection)
                .await
                .unwrap()
                .rows_affected(),
            1
        );
    };
    change(
        &mut connection,
        "UPDATE events SET data = 'else' WHERE serial = 700",
    )
    .await;
    let line = complaint();
    assert!(
        line.starts_with("pushi: app a: some of 1122 events differ: "),
        "{line}"
    );
    change(&mut connection, "DELETE FROM events WHERE serial = 700").await;
    let line = complaint();
    assert!(
        line.starts_with("pushi: app a: 1122 events were expected, but 1121 were found: "),
        "{line}"
    );
    assert!(line.ends_with("copy again into an empty store"), "{line}");
}

#[test]
fn copy_errors_are_one_line() {
    let shell = Shell::new();
    let complaint = |from: &str, to: &str, code| {
        let line = shell.complaint(
            &["copy", "--from", from, "--to", to],
            &[("PUSHI_STORE_TIMEOUT", "1s")],
            code,
        );
        assert!(!line.contains("hunter2"), "{line}");
        line
    };
    assert!(complaint("sqlite://a.db", "sqlite://b.db", 2).contains("no file"));
    assert!(
        complaint("mysql://ann:hunter2@db/a", "sqlite://b.db", 2).starts_with("--from must be")
    );
    assert!(
        complaint("sqlite::memory:", "sqlite://b.db", 2)
            .starts_with("--from: a database in memory")
    );
    assert!(
        complaint("postgres://ann:hunter2@127.0.0.1:1/a", "sqlite://b.db", 2)
            .contains("cannot be reached")
    );
    assert!(
        complaint("mongodb://ann:hunter2@127.0.0.1:1/a", "sqlite://b.db", 2)
            .contains("is it the right address")
    );
    assert!(!shell.folder.path().join("b.db").exists());
    for (name, key) in [("one.db", "k1"), ("two.db", "k2")] {
        shell.printed(&[
            "app",
            "create",
            "--name",
            "A",
            "--ident",
            "a",
            "--key",
            key,
            "--database-url",
            &format!("sqlite://{name}"),
        ]);
    }
    assert!(complaint("sqlite://one.db", "sqlite://one.db", 1).contains("same store"));
    assert!(complaint("sqlite://one.db", "sqlite://./one.db", 1).contains("same store"));
    assert!(complaint("sqlite://one.db", "sqlite://no/such/where.db", 2).starts_with("--to: "));
    let line = shell.complaint(
        &[
            "copy",
            "--from",
            "sqlite://one.db",
            "--to",
            "sqlite://two.db",
            "--resume",
        ],
        &[],
        1,
    );
    assert!(line.contains("same ident"), "{line}");
    shell.printed(&["app", "delete", "a", "--database-url", "sqlite://one.db"]);
    assert!(complaint("sqlite://one.db", "sqlite://new.db", 1).contains("has no app"));
}
