//! The environment of one test: a store and the tasks that run on it.

use std::any::Any;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::model::Secret;
use pushi::core::ports::{Pruning, Stores};
use pushi::outbound::storage::mongodb::{self, MongoOptions};
use pushi::outbound::storage::sql::postgres::{self, PostgresOptions};
use pushi::outbound::storage::{memory, sql::sqlite};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::databases::{MongoDatabase, PostgresSchema};
use crate::server::{ServerSetup, TestServer};

/// Longer than any operation that a test waits for, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two polls, once some have failed: what is waited for needs the processor.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
const IMMEDIATE_POLLS: usize = 20;

/// Polls a condition that has no notification.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let polls = async {
        for poll in 0.. {
            if is_so().await {
                return;
            }
            if poll < IMMEDIATE_POLLS {
                tokio::task::yield_now().await;
                continue;
            }
            // On a thread of its own: a paused clock does not advance meanwhile.
            let pause = tokio::task::spawn_blocking(|| thread::sleep(POLL_INTERVAL));
            pause.await.expect("a thread that only waits");
        }
    };
    timeout(PATIENCE, polls)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

/// The environment of one test: a store and the tasks that run on it.
pub struct TestEnv {
    pub stores: Stores,
    pub stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Removed when the test ends.
    _database: Box<dyn Any + Send + Sync>,
}

impl TestEnv {
    fn new(stores: Stores, database: impl Any + Send + Sync) -> Self {
        Self {
            stores,
            stop: CancellationToken::new(),
            tasks: Mutex::default(),
            _database: Box::new(database),
        }
    }

    /// Runs a task until the test ends; a panic in it fails the test.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(task));
    }

    /// A server with one app, as configured by default.
    pub async fn server(&self) -> TestServer<'_> {
        self.server_with(|_| {}).await
    }

    /// A server with one app.
    pub async fn server_with(&self, set: impl FnOnce(&mut ServerSetup)) -> TestServer<'_> {
        let mut setup = ServerSetup::over(&self.stores);
        set(&mut setup);
        TestServer::open(self, setup).await
    }

    /// Removes all events but the newest `keep` of each channel.
    pub async fn prune_all_but(&self, keep: u64) {
        self.stores
            .events
            .prune(
                Pruning {
                    before: None,
                    keep: Some(keep),
                },
                10_000,
            )
            .await
            .unwrap();
    }

    /// Stops all tasks, and fails where one of them panicked.
    pub async fn close(self) {
        self.stop.cancel();
        loop {
            let Some(task) = self.tasks.lock().pop() else {
                return;
            };
            timeout(PATIENCE, task)
                .await
                .expect("a task does not stop")
                .expect("a task panicked");
        }
    }
}

/// A kind of store that the suites run on.
pub trait StoreKind {
    /// A new, empty store; `None` where it needs a server and no URL is set.
    fn start() -> impl Future<Output = Option<TestEnv>> + Send;

    /// Stops all tasks, and fails where one of them panicked.
    fn close(env: TestEnv) -> impl Future<Output = ()> + Send {
        env.close()
    }
}

pub struct Memory;

impl StoreKind for Memory {
    async fn start() -> Option<TestEnv> {
        Some(TestEnv::new(memory::open(), ()))
    }
}

pub struct SqliteFile;

impl StoreKind for SqliteFile {
    async fn start() -> Option<TestEnv> {
        let folder = TempDir::new().unwrap();
        let path = Some(folder.path().join("pushi.db"));
        let stores = sqlite::open(sqlite::SqliteOptions {
            path,
            timeout: PATIENCE,
            readers: 2,
        })
        .await
        .unwrap();
        Some(TestEnv::new(stores, folder))
    }
}

pub struct Postgres;

impl StoreKind for Postgres {
    async fn start() -> Option<TestEnv> {
        let schema = PostgresSchema::start().await?;
        let options = PostgresOptions {
            url: Secret::new(schema.url("")),
            timeout: PATIENCE,
            pool: 4,
        };
        Some(TestEnv::new(postgres::open(options).await.unwrap(), schema))
    }
}

pub struct Mongo;

impl StoreKind for Mongo {
    async fn start() -> Option<TestEnv> {
        let database = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await?;
        let (url, name) = (Secret::new(&*database.url), database.name.clone());
        let options = MongoOptions {
            url,
            database: name,
            timeout: PATIENCE,
            pool: 4,
        };
        Some(TestEnv::new(
            mongodb::open(options).await.unwrap(),
            database,
        ))
    }
}
