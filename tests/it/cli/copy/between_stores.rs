//! Copying between all kinds of stores.

use pushi_test_support::{MongoDatabase, PostgresSchema};

use super::{COUNTS, counts, filled};

/// The database's URL with its name.
pub(super) fn mongo_url(database: &MongoDatabase) -> String {
    let (servers, options) = database
        .url
        .split_once('?')
        .unwrap_or((&database.url, "retryReads=true"));
    let slash = if servers.matches('/').count() == 2 {
        "/"
    } else {
        ""
    };
    format!("{servers}{slash}{}?{options}", database.name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_is_copied_into_every_other() {
    let shell = filled().await;
    let copy = |from: &str, to: &str| {
        assert_eq!(
            counts(&shell.run(&["copy", "--from", from, "--to", to])),
            COUNTS,
            "{from} {to}"
        )
    };
    let postgres = (PostgresSchema::start().await, PostgresSchema::start().await);
    if let (Some(one), Some(two)) = &postgres {
        copy("sqlite://from.db", &one.url(""));
        copy(&one.url(""), &two.url(""));
        copy(&two.url(""), "sqlite://of-postgres.db");
        // The same server by another name.
        let line = shell.complaint(
            &[
                "copy",
                "--from",
                &one.url(""),
                "--to",
                &one.url("&sslmode=disable"),
                "--resume",
            ],
            &[],
            1,
        );
        assert!(line.contains("same store"), "{line}");
    }
    const SERVER: &str = "PUSHI_TEST_MONGO_URL";
    let (Some(one), Some(two)) = (
        MongoDatabase::start(SERVER).await,
        MongoDatabase::start(SERVER).await,
    ) else {
        return;
    };
    copy("sqlite://from.db", &mongo_url(&one));
    copy(&mongo_url(&one), &mongo_url(&two));
    copy(&mongo_url(&two), "sqlite://of-mongodb.db");
    let other_name = format!("{}&appName=other", mongo_url(&one));
    let line = shell.complaint(
        &[
            "copy",
            "--from",
            &mongo_url(&one),
            "--to",
            &other_name,
            "--resume",
        ],
        &[],
        1,
    );
    assert!(line.contains("same store"), "{line}");
    if let ((Some(of_postgres), _), Some(there), Some(back)) = (
        &postgres,
        PostgresSchema::start().await,
        MongoDatabase::start(SERVER).await,
    ) {
        copy(&of_postgres.url(""), &mongo_url(&back));
        copy(&mongo_url(&back), &there.url(""));
    }
}
