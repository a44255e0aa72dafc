//! Tests of the writer under failures.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::open::connect;
use super::{SqliteDriver, SqliteOptions};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, AppSettings, ChannelName, Mid, NewEvent, Payload, PushCredentials, Secret, Timestamp,
};
use crate::core::ports::{AppStore, CreateApp, EventStore, ReadLimit};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::driver::{Driver, SqlConnection};
use crate::outbound::storage::sql::value::Arg;

async fn driver(folder: &TempDir, timeout: Duration) -> SqliteDriver {
    connect(SqliteOptions {
        path: Some(folder.path().join("pushi.db")),
        timeout,
        readers: 1,
    })
    .await
    .unwrap()
}

/// Counts the call, and returns the number of earlier ones.
fn count(connection: &mut SqliteConnection) -> BoxFuture<'_, StorageResult<u64>> {
    Box::pin(async move {
        let args = [Arg::Int(1)];
        connection.execute("INSERT INTO removed_apps (app) SELECT coalesce(max(app), 0) + $1 FROM removed_apps", &args).await?;
        counted(connection).await.map(|count| count - 1)
    })
}

fn counted(connection: &mut SqliteConnection) -> BoxFuture<'_, StorageResult<u64>> {
    Box::pin(async move {
        Ok(connection
            .rows("SELECT app FROM removed_apps", &[])
            .await?
            .len() as u64)
    })
}

/// Blocks the writer until the sender is used or dropped.
async fn block_writer(driver: &Arc<SqliteDriver>) -> oneshot::Sender<()> {
    let (release, released) = oneshot::channel::<()>();
    let (started, start) = oneshot::channel::<()>();
    let driver = Arc::clone(driver);
    tokio::spawn(async move {
        let work = driver.writer.run(|_| {
            Box::pin(async move {
                let _ = started.send(());
                let _ = released.await;
                Ok(())
            })
        });
        work.await
    });
    start.await.unwrap();
    release
}

#[tokio::test]
async fn a_call_times_out_and_queued_work_is_never_begun() {
    let folder = TempDir::new().unwrap();
    let driver = Arc::new(driver(&folder, Duration::from_millis(50)).await);
    let release = block_writer(&driver).await;
    assert!(matches!(
        driver.write(count).await,
        Err(StorageError::Unavailable(_))
    ));
    assert!(matches!(
        driver.read_settled(counted).await,
        Err(StorageError::Unavailable(_))
    ));
    drop(release);
    assert_eq!(driver.read_settled(counted).await.unwrap(), 0);
}

#[tokio::test]
async fn begun_work_completes_without_its_caller_before_a_settled_read() {
    let folder = TempDir::new().unwrap();
    let driver = Arc::new(driver(&folder, Duration::from_secs(30)).await);
    let (started, start) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let writing_driver = Arc::clone(&driver);
    let writing = tokio::spawn(async move {
        let work = writing_driver.write(|connection| {
            Box::pin(async move {
                let _ = started.send(());
                let _ = released.await;
                count(connection).await
            })
        });
        work.await
    });
    start.await.unwrap();
    writing.abort();
    assert!(writing.await.is_err());
    let settled = driver.read_settled(counted);
    tokio::pin!(settled);
    assert!(futures_util::poll!(&mut settled).is_pending());
    release.send(()).unwrap();
    assert_eq!(settled.await.unwrap(), 1);
}

#[tokio::test]
async fn a_transaction_that_ended_early_fails_one_call_only() {
    let folder = TempDir::new().unwrap();
    let driver = driver(&folder, Duration::from_secs(30)).await;
    assert_eq!(driver.write(count).await.unwrap(), 0);
    let ended = driver
        .write(|connection| Box::pin(connection.execute("ROLLBACK", &[])))
        .await;
    assert!(matches!(ended, Err(StorageError::Unavailable(_))));
    assert_eq!(driver.write(count).await.unwrap(), 1);
}

#[tokio::test]
async fn failed_work_is_rolled_back() {
    let folder = TempDir::new().unwrap();
    let driver = driver(&folder, Duration::from_secs(30)).await;
    let failed = driver.write(|connection| {
        Box::pin(async move {
            count(connection).await?;
            Err::<(), _>(StorageError::Conflict("mid"))
        })
    });
    assert!(matches!(failed.await, Err(StorageError::Conflict("mid"))));
    assert_eq!(driver.read(counted).await.unwrap(), 0);
}

fn event(number: u64, bytes: usize) -> NewEvent {
    NewEvent {
        app: AppIdent::trusted("a"),
        mid: Mid(number.to_string().into()),
        channel: ChannelName::trusted("channel"),
        owner_id: None,
        timestamp: Timestamp::default(),
        publish: None,
        payload: Payload {
            event: "message".into(),
            data: "x".repeat(bytes).into(),
            extra: Default::default(),
        },
    }
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_space_is_freed() {
    let folder = TempDir::new().unwrap();
    let store = SqlStore {
        driver: Arc::new(driver(&folder, Duration::from_secs(30)).await),
    };
    let (push, settings) = (PushCredentials::default(), AppSettings::default());
    let (ident, secret, now) = (
        AppIdent::trusted("a"),
        Secret::new("s"),
        Timestamp::default(),
    );
    let app = CreateApp {
        ident: ident.clone(),
        name: "a".into(),
        description: None,
        key: "k".into(),
        secret,
        push,
        settings,
        now,
        first: false,
    };
    store.create(app).await.unwrap();
    assert_eq!(
        store.append(&[event(1, 10)]).await[0]
            .as_ref()
            .unwrap()
            .serial,
        1
    );

    let limit = |sql: &'static str| {
        store.driver.writer.run(move |connection| {
            Box::pin(async move { connection.rows(sql, &[]).await.map(drop) })
        })
    };
    limit("PRAGMA max_page_count = 1").await.unwrap();
    assert!(matches!(
        store.append(&[event(2, 100_000), event(3, 10)]).await[..],
        [Err(StorageError::Unavailable(_)), Err(_)]
    ));
    let mids = [Mid("1".into()), Mid("2".into()), Mid("3".into())];
    let positions = store.positions(&ident, &mids).await.unwrap();
    assert!(positions[0].is_some() && positions[1..] == [None, None]);
    assert_eq!(
        store
            .recent(&ident, None, ReadLimit::events(10))
            .await
            .unwrap()
            .len(),
        1
    );

    limit("PRAGMA max_page_count = 1000000").await.unwrap();
    assert_eq!(
        store.append(&[event(2, 100_000)]).await[0]
            .as_ref()
            .unwrap()
            .serial,
        2
    );
}
