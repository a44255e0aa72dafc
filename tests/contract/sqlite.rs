//! SQLite files only: opening, locking, existing content.

use pushi::core::ports::ReadLimit;
use std::time::{Duration, Instant};

use pushi::core::error::StorageError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::fixture::{Fixture, SqliteFile, TIMEOUT};
use crate::samples::{NOW, app, channel, event, said, say, user};

/// Another program's connection to the file.
async fn stranger(file: &SqliteFile) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

async fn change(file: &SqliteFile, sql: &str) {
    let mut stranger = stranger(file).await;
    stranger.execute(AssertSqlSafe(sql)).await.unwrap();
    stranger.close().await.unwrap();
}

/// The one-line error for a file that cannot be opened, without its path.
async fn refusal(file: &SqliteFile, timeout: Duration) -> String {
    let Err(error) = file.try_open(timeout).await else {
        panic!("it was opened")
    };
    let (line, path) = (error.to_string(), file.path().display().to_string());
    assert!(line.contains(&path) && !line.contains('\n'), "{line}");
    line.replace(&path, "FILE")
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let file = SqliteFile::new();
    std::fs::write(
        file.path(),
        "This is a letter, and quite a long one at that.\n".repeat(100),
    )
    .unwrap();
    assert_eq!(
        refusal(&file, TIMEOUT).await,
        "the database FILE is not an SQLite database: name another file"
    );
    assert!(
        std::fs::read_to_string(file.path())
            .unwrap()
            .starts_with("This is a letter"),
        "left as it was"
    );
}

#[tokio::test]
async fn files_and_their_folder_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::TempDir::new().unwrap();
    let folder = outer.path().join("data");
    let file = SqliteFile::at(folder.join("pushi.db").to_str().unwrap());
    let stores = file.open().await;
    crate::samples::app(&stores, "a").await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        let path = folder.join(format!("pushi.db{suffix}"));
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_folder_and_a_path_into_nowhere_are_refused() {
    let file = SqliteFile::new();
    std::fs::create_dir(file.path()).unwrap();
    assert_eq!(
        refusal(&file, TIMEOUT).await,
        "the database FILE is a folder: name a file in it"
    );
    let nowhere = SqliteFile::at("/nowhere/at/all/pushi.db");
    let reason = "the database FILE is in a folder that does not exist: create the folder first";
    assert_eq!(refusal(&nowhere, TIMEOUT).await, reason);
    // A folder in which not even root can create a file.
    let closed = SqliteFile::at("/proc/pushi.db");
    assert!(
        refusal(&closed, TIMEOUT)
            .await
            .starts_with("the database FILE ")
    );
    let device = SqliteFile::at("/dev/null");
    assert_eq!(
        refusal(&device, TIMEOUT).await,
        "the database FILE is not a regular file: name another"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let file = SqliteFile::new();
    file.open().await.database.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', TRUE, x'00', 1)";
    change(&file, newer).await;
    let reason = "the database FILE was written by a newer version (it has migration 9999): run that version, or name another database";
    assert_eq!(refusal(&file, TIMEOUT).await, reason);
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_as_it_was() {
    let file = SqliteFile::new();
    change(&file, "CREATE TABLE events (x)").await;
    assert_eq!(
        refusal(&file, TIMEOUT).await,
        "the database FILE cannot be used: error returned from database: (code: 1) table events already exists"
    );
    change(&file, "DROP TABLE events").await;
    file.open().await.database.ping().await.unwrap();
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_refused_in_time() {
    let file = SqliteFile::new();
    file.open().await.database.close().await;
    let mut other = stranger(&file).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let reason =
        "the database FILE is locked by another process: stop that one, or name another file";
    assert_eq!(refusal(&file, Duration::from_millis(100)).await, reason);
    other.execute("COMMIT").await.unwrap();
    file.open().await.database.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_starts_do_not_collide() {
    for _ in 0..10 {
        let file = std::sync::Arc::new(SqliteFile::new());
        let open = || {
            let file = file.clone();
            tokio::spawn(async move { file.open().await })
        };
        for task in (0..8).map(|_| open()).collect::<Vec<_>>() {
            task.await.unwrap().database.ping().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_new_database_is_ready_at_once() {
    let file = SqliteFile::new();
    let begun = Instant::now();
    file.open().await;
    // Measured: 5 ms. The bound is far above, for machines that do other things too.
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn what_was_answered_outlives_a_process_that_ends_without_a_word() {
    let file = SqliteFile::new();
    let stores = file.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["one", "two"]).await;
    // The files as a killed process leaves them: nothing was closed, nothing moved from the log to the database.
    let found = SqliteFile::new();
    for name in ["pushi.db", "pushi.db-wal"] {
        std::fs::copy(
            file.path().with_file_name(name),
            found.path().with_file_name(name),
        )
        .unwrap();
    }
    let again = found.open().await;
    assert_eq!(
        said(
            &again
                .events
                .recent(&app.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["two", "one"]
    );
    assert_eq!(say(&again, &app, "room", &["three"]).await[0].serial, 3);
}

#[tokio::test]
async fn a_lock_that_another_process_holds_ends_calls_in_time_and_is_got_over() {
    let file = SqliteFile::new();
    let stores = file.try_open(Duration::from_millis(200)).await.unwrap();
    let app = app(&stores, "a").await;
    let mut other = stranger(&file).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let late = event(&app, "room", "late");
    let begun = Instant::now();
    assert!(matches!(
        stores.events.append(std::slice::from_ref(&late)).await[..],
        [Err(StorageError::Unavailable(_))]
    ));
    assert!(begun.elapsed() < TIMEOUT);
    assert_eq!(
        stores
            .apps
            .by_ident(&app.ident)
            .await
            .unwrap()
            .map(|found| found.id),
        Some(app.id),
        "reading goes on"
    );
    other.execute("COMMIT").await.unwrap();
    // The result of the late append is reported, and nothing is lost or counted twice.
    let taken = stores
        .events
        .positions(&app.ident, &[late.mid])
        .await
        .unwrap()[0]
        .is_some();
    assert_eq!(
        say(&stores, &app, "room", &["next"]).await[0].serial,
        if taken { 2 } else { 1 }
    );
}

#[tokio::test]
async fn malformed_rows_are_corrupt() {
    let file = SqliteFile::new();
    let stores = file.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["one"]).await;
    change(&file, "UPDATE apps SET settings = '{'").await;
    assert!(matches!(
        stores.apps.by_ident(&app.ident).await,
        Err(StorageError::Corrupt(_))
    ));
    assert!(matches!(
        stores.apps.list(0, 10).await,
        Err(StorageError::Corrupt(_))
    ));
    change(&file, "UPDATE events SET serial = -1").await;
    assert!(matches!(
        stores
            .events
            .recent(&app.ident, None, ReadLimit::events(10))
            .await,
        Err(StorageError::Corrupt(_))
    ));
}

#[tokio::test]
async fn what_a_deleted_app_left_is_removed_from_the_file() {
    let file = SqliteFile::new();
    let stores = file.open().await;
    let app = app(&stores, "a").await;
    let events: Vec<_> = (0..2500)
        .map(|n| event(&app, &format!("room-{}", n % 1100), ""))
        .collect();
    crate::samples::append(&stores, &events).await;
    stores.apps.delete(&app.ident).await.unwrap();
    // Another instance continues after the first was closed.
    stores.database.close().await;
    let again = file.open().await;
    let mut stranger = stranger(&file).await;
    let left = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM channels) + (SELECT count(*) FROM counters) \
        + (SELECT count(*) FROM removed_apps)";
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(left)
        .fetch_one(&mut stranger)
        .await
        .unwrap()
        > 0
    {
        assert!(begun.elapsed() < TIMEOUT, "rows are left");
        tokio::task::yield_now().await;
    }
    again.database.ping().await.unwrap();
}

/// As an earlier version left it, or another program wrote it.
#[tokio::test]
async fn an_inbox_is_whole_where_the_newest_events_of_channels_are_not_known() {
    let file = SqliteFile::new();
    let stores = file.open().await;
    let app = app(&stores, "a").await;
    let ann = user("ann");
    for room in ["ended", "open", "also", "told"] {
        stores
            .subscriptions
            .add(&app.ident, &ann, &channel(room), NOW)
            .await
            .unwrap();
        say(&stores, &app, room, &[room]).await;
    }
    stores
        .subscriptions
        .remove(&app.ident, &ann, &channel("ended"), NOW)
        .await
        .unwrap()
        .unwrap();
    change(
        &file,
        "UPDATE channels SET newest = 0; UPDATE intervals SET newest = 0",
    )
    .await;
    say(&stores, &app, "told", &["again"]).await;
    let expected = ["again", "told", "also", "open", "ended"];
    for limit in 0..=6 {
        let page = stores
            .events
            .inbox(&app.ident, &ann, 0, ReadLimit::events(limit))
            .await
            .unwrap();
        assert_eq!(said(&page), expected[..limit.min(5)], "limit {limit}");
    }
}

#[tokio::test]
async fn a_session_without_its_credential_is_none() {
    let file = SqliteFile::new();
    let stores = file.open().await;
    app(&stores, "a").await;
    let session =
        "INSERT INTO sessions (hash, app, expires) SELECT randomblob(32), id, 9e15 FROM apps";
    change(&file, session).await;
    let mut stranger = stranger(&file).await;
    let hash: Vec<u8> = sqlx::query_scalar("SELECT hash FROM sessions")
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    let hash = pushi::core::model::TokenHash(hash.try_into().unwrap());
    assert_eq!(stores.sessions.get(&hash).await.unwrap(), None);
}
