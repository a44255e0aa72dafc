//! Rows that applications insert in transactions of their own: each committed one is published once, whatever dies.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::{Duration, sleep};

use crate::client::Client;
use crate::cluster::{APP, Cluster, KEY, SECRET, until_well};
use crate::http;
use crate::node::Node;
use crate::postgres::Schema;

const WRITERS: usize = 4;
const TRANSACTIONS: usize = 30;
const ROWS: usize = 5;

/// The data of a row: its writer, transaction and place.
type RowNumber = (usize, usize, usize);

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Runs transactions of one writer, one after the other, and rolls every third one back. Returns the committed rows.
async fn write(url: &str, writer: usize, committed: &AtomicUsize) -> Vec<RowNumber> {
    let mut connection = connect(url).await;
    let mut rows = Vec::new();
    for number in 0..TRANSACTIONS {
        let mut transaction = connection.begin().await.unwrap();
        for place in 0..ROWS {
            let insert = sqlx::query(
                "INSERT INTO pushi_publish (app, channel, event, data) VALUES ($1, 'orders', 'created', $2)",
            );
            let data = json!([writer, number, place]).to_string();
            let insert = insert.bind(APP).bind(data);
            insert.execute(&mut *transaction).await.unwrap();
        }
        if number % 3 == 2 {
            transaction.rollback().await.unwrap();
            continue;
        }
        transaction.commit().await.unwrap();
        committed.fetch_add(1, Ordering::Relaxed);
        rows.extend((0..ROWS).map(|place| (writer, number, place)));
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_rows_are_published_once_though_nodes_are_killed() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let (url, committed) = (cluster.database_url(), AtomicUsize::new(0));
    let mut client = Client::pushi(&cluster.nodes[2]).await;
    client.subscribe("orders", json!({})).await;
    let writers = join_all((0..WRITERS).map(|writer| write(&url, writer, &committed)));
    // One of the two probably has the lease; the third one continues.
    let kill = async {
        while committed.load(Ordering::Relaxed) < WRITERS * TRANSACTIONS / 3 {
            sleep(Duration::from_millis(1)).await;
        }
        for node in &mut cluster.nodes[..2] {
            node.kill();
        }
    };
    let (rows, ()) = tokio::join!(writers, kill);
    let mut expected: Vec<RowNumber> = rows.concat();
    expected.sort_unstable();
    let received = |client: &Client| -> Vec<RowNumber> {
        let events = client.events("orders", "created");
        let rows = events
            .iter()
            .map(|data| serde_json::from_str(data).unwrap());
        rows.collect()
    };
    client
        .until(|_| (received(&client).len() >= expected.len()).then_some(()))
        .await;
    let received = received(&client);
    let mut by_writer: BTreeMap<usize, Vec<RowNumber>> = BTreeMap::new();
    for row in &received {
        by_writer.entry(row.0).or_default().push(*row);
    }
    for rows in by_writer.values() {
        assert!(rows.is_sorted(), "in the order of the inserts: {rows:?}");
    }
    let mut sorted = received.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "each committed row once, no other");
    let serials: Vec<u64> = (1..=expected.len() as u64).collect();
    assert_eq!(client.serials("orders"), serials);
    let mut connection = connect(&url).await;
    let count = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM pushi_publish)";
    let counts: (i64, i64) = sqlx::query_as(count)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(counts, (expected.len() as i64, 0));
}

/// A node that is killed again and again: every row is committed while it may be in the middle of its work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_node_that_is_killed_repeatedly_publishes_each_row_once() {
    let Some(schema) = Schema::create().await else {
        return;
    };
    let url = schema.url();
    let mut node = single(&url).await;
    let committed = AtomicUsize::new(0);
    let writers = join_all((0..2).map(|writer| write(&url, writer, &committed)));
    let restarts = async {
        for _ in 0..3 {
            let before = committed.load(Ordering::Relaxed);
            while committed.load(Ordering::Relaxed) < (before + 5).min(2 * TRANSACTIONS * 2 / 3) {
                sleep(Duration::from_millis(1)).await;
            }
            node.kill();
            node = single(&url).await;
        }
    };
    let (rows, ()) = tokio::join!(writers, restarts);
    let expected = rows.concat().len() as i64;
    let mut connection = connect(&url).await;
    let count = "SELECT (SELECT count(*) FROM events), (SELECT count(DISTINCT data) FROM events), (SELECT count(*) FROM pushi_publish)";
    let counts = async {
        loop {
            let counts: (i64, i64, i64) = sqlx::query_as(count)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if counts.2 == 0 {
                return counts;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let counts = tokio::time::timeout(Duration::from_secs(30), counts).await;
    assert_eq!(counts.unwrap(), (expected, expected, 0));
}

/// One node without a bus.
async fn single(url: &str) -> Node {
    let node = Node::start(&[
        ("DATABASE_URL", url.to_owned()),
        ("PUSHI_APP_ID", APP.into()),
        ("PUSHI_APP_KEY", KEY.into()),
        ("PUSHI_APP_SECRET", SECRET.into()),
    ]);
    until_well(&node).await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_only_insert_publishes_and_bad_rows_delay_no_others() {
    let Some(schema) = Schema::create().await else {
        return;
    };
    let url = schema.url();
    let node = single(&url).await;
    let mut client = Client::pushi(&node).await;
    client.subscribe("orders", json!({})).await;
    let mut connection = connect(&url).await;
    let role = format!("pushi_role_{}_{}", std::process::id(), node.api);
    let printed = Command::new(env!("CARGO_BIN_EXE_pushi"))
        .args(["sql", "--role", &role])
        .env("DATABASE_URL", &url)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let statements = String::from_utf8(printed.stdout).unwrap();
    // Twice: a second run changes nothing.
    for _ in 0..2 {
        let run = connection.execute(AssertSqlSafe(statements.clone()));
        run.await.unwrap();
    }
    let become_role = format!("SET ROLE {role}");
    connection
        .execute(AssertSqlSafe(become_role))
        .await
        .unwrap();
    let long = "x".repeat(300_000);
    let rows = [
        ("nobody", "orders", "created", Some("1")),
        (KEY, "orders", "created", Some("by key")),
        (APP, "", "created", Some("2")),
        (APP, "orders", "pusher:x", Some("3")),
        (APP, "orders", "created", Some(&*long)),
        (APP, "orders", "created", None),
        (APP, "orders", "created", Some("by id")),
    ];
    for (app, channel, event, data) in rows {
        let insert = sqlx::query(
            "INSERT INTO pushi_publish (app, channel, event, data) VALUES ($1, $2, $3, $4)",
        );
        let insert = insert.bind(app).bind(channel).bind(event).bind(data);
        insert.execute(&mut connection).await.unwrap();
    }
    let json = "INSERT INTO pushi_publish (app, channel, event, data, persist) SELECT 'key-77', 'orders', 'json', jsonb_build_object('id', 7), false";
    connection.execute(json).await.unwrap();
    for forbidden in [
        "SELECT count(*) FROM pushi_publish",
        "DELETE FROM pushi_publish",
        "UPDATE pushi_publish SET data = ''",
        "INSERT INTO pushi_publish (id, app, channel, data) OVERRIDING SYSTEM VALUE VALUES (0, 'a', 'b', 'c')",
        "SELECT * FROM apps",
        "SELECT * FROM pushi_publish_failed",
    ] {
        let error = connection.execute(forbidden).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {error}");
    }
    client
        .until(|_| {
            let is_all = client.events("orders", "created").len() >= 2
                && !client.events("orders", "json").is_empty();
            is_all.then_some(())
        })
        .await;
    let mut created = client.events("orders", "created");
    created.sort_unstable();
    assert_eq!(created, ["by id", "by key"]);
    assert_eq!(client.events("orders", "json"), ["{\"id\": 7}"]);
    connection.execute("RESET ROLE").await.unwrap();
    let reasons = "SELECT reason FROM pushi_publish_failed ORDER BY id";
    let reasons = async {
        loop {
            let found: Vec<String> = sqlx::query_scalar(reasons)
                .fetch_all(&mut connection)
                .await
                .unwrap();
            if found.len() == 5 {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let reasons = tokio::time::timeout(Duration::from_secs(30), reasons)
        .await
        .unwrap();
    let expected = [
        "no app",
        "channel name is empty",
        "reserved",
        "PUSHI_MAX_BODY_BYTES",
        "data is NULL",
    ];
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason}: {expected}");
    }
    let metrics = http::text(node.api, "/metrics").await;
    assert!(metrics.contains("pushi_publish_rows_failed_total 5"));
    let (_, health) = http::get(node.api, "/health/detailed").await;
    let rows = &health["checks"]["publish_rows"];
    assert_eq!(
        (&rows["status"], &rows["failed"]),
        (&json!("ok"), &json!(5))
    );
    let end = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    connection.execute(AssertSqlSafe(end)).await.unwrap();
}
