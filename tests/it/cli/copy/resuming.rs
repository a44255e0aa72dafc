//! Copies that are killed and resumed.

use pushi::core::ports::ReadLimit;
use std::process::Stdio;

use pushi::core::model::{AppIdent, Event, Position};
use pushi_test_support::{MongoDatabase, PostgresSchema};

use super::between_stores::mongo_url;
use super::{counts, create, event, open};
use crate::cli::Shell;

/// Makes a store with events of one app in seven channels.
async fn numbered(shell: &Shell, file: &str, events: u64, bytes: usize) {
    create(shell, "a", file);
    let stores = open(shell, &format!("sqlite://{file}")).await;
    let at = |n: u64| {
        let mut new = event("a", &format!("room-{}", n % 7), n as usize + 1);
        new.payload.data = "d".repeat(bytes).into();
        Event {
            new,
            position: Position {
                id: n + 1,
                serial: n / 7 + 1,
            },
        }
    };
    let app = AppIdent::trusted("a");
    for page in (0..events).collect::<Vec<_>>().chunks(500) {
        stores
            .archive
            .put_events(&app, &[], &page.iter().map(|n| at(*n)).collect::<Vec<_>>())
            .await
            .unwrap();
    }
    stores.database.close().await;
}

/// Kills a copy halfway, then resumes it.
async fn resumes_a_killed_copy(shell: &Shell, from: &str, to: &str, events: u64) {
    let from = format!("sqlite://{from}");
    let copy = ["copy", "--from", &from, "--to", to];
    // Opened before, so that the copy is the only one to make tables.
    let target = open(shell, to).await;
    let app = AppIdent::trusted("a");
    let mut child = shell
        .command(&copy, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while target.archive.events(&app, 0, 1).await.unwrap().is_empty() {
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "it ended before anything was there"
        );
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it had ended by itself");
    let newest = target
        .events
        .recent(&app, None, ReadLimit::events(1))
        .await
        .unwrap()[0]
        .position
        .id;
    assert!(newest < events, "all was there already");
    target.database.close().await;
    let line = shell.complaint(&copy, &[], 1);
    assert!(
        line.contains("has apps already")
            && line.contains("--resume to continue an interrupted copy"),
        "{line}"
    );
    let done = shell.run(&[&copy[..], &["--resume"]].concat());
    assert_eq!(
        counts(&done)[..3],
        [("apps", 1), ("channels", 7), ("events", events)]
    );
    let target = open(shell, to).await;
    let next = target
        .events
        .append(&[event("a", "room-0", 0)])
        .await
        .pop()
        .unwrap()
        .unwrap();
    assert_eq!(
        next,
        Position {
            id: events + 1,
            serial: events.div_ceil(7) + 1
        }
    );
    target.database.close().await;
}

// In each of these so much is copied that the copy has just begun when its first events are seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_copy_resumes() {
    let shell = Shell::new();
    numbered(&shell, "from.db", 20_000, 10).await;
    resumes_a_killed_copy(&shell, "from.db", "sqlite://to.db", 20_000).await;
    if let Some(schema) = PostgresSchema::start().await {
        resumes_a_killed_copy(&shell, "from.db", &schema.url(""), 20_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_copy_to_mongodb_resumes() {
    let Some(database) = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await else {
        return;
    };
    let shell = Shell::new();
    numbered(&shell, "from.db", 1500, 24_000).await;
    resumes_a_killed_copy(&shell, "from.db", &mongo_url(&database), 1500).await;
}
