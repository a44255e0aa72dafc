//! One test's place: a store, and all that runs over it.

use std::any::Any;
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

use crate::server::{House, Setup};
use crate::servers::{MongoDatabase, PostgresSchema};

/// Longer than anything takes that a test waits for, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One test's place.
pub struct Site {
    pub stores: Stores,
    pub stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// What goes when the test ends.
    _place: Box<dyn Any + Send + Sync>,
}

impl Site {
    fn new(stores: Stores, place: impl Any + Send + Sync) -> Self {
        Self {
            stores,
            stop: CancellationToken::new(),
            tasks: Mutex::default(),
            _place: Box::new(place),
        }
    }

    /// Runs something until the test ends; a panic in it fails the test.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(task));
    }

    /// A server with one app, as configured by default.
    pub async fn house(&self) -> House<'_> {
        self.house_with(|_| {}).await
    }

    /// A server with one app.
    pub async fn house_with(&self, set: impl FnOnce(&mut Setup)) -> House<'_> {
        let mut setup = Setup::over(&self.stores);
        set(&mut setup);
        House::open(self, setup).await
    }

    /// Removes all events but the newest so many of each channel.
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

    /// Ends all that runs, and fails where some of it panicked.
    pub async fn close(self) {
        self.stop.cancel();
        loop {
            let Some(task) = self.tasks.lock().pop() else {
                return;
            };
            timeout(PATIENCE, task)
                .await
                .expect("a task goes on after the end")
                .expect("a task panicked");
        }
    }
}

/// A kind of store.
pub trait Kind {
    /// A new, empty one; `None` where it needs a server and none was named.
    async fn site() -> Option<Site>;
}

pub struct Memory;

impl Kind for Memory {
    async fn site() -> Option<Site> {
        Some(Site::new(memory::open(), ()))
    }
}

pub struct SqliteFile;

impl Kind for SqliteFile {
    async fn site() -> Option<Site> {
        let folder = TempDir::new().unwrap();
        let path = Some(folder.path().join("pushi.db"));
        let stores = sqlite::open(sqlite::SqliteOptions {
            path,
            timeout: PATIENCE,
            readers: 2,
        })
        .await
        .unwrap();
        Some(Site::new(stores, folder))
    }
}

pub struct Postgres;

impl Kind for Postgres {
    async fn site() -> Option<Site> {
        let schema = PostgresSchema::start().await?;
        let options = PostgresOptions {
            url: Secret::new(schema.url("")),
            timeout: PATIENCE,
            pool: 4,
        };
        Some(Site::new(postgres::open(options).await.unwrap(), schema))
    }
}

pub struct Mongo;

impl Kind for Mongo {
    async fn site() -> Option<Site> {
        let database = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await?;
        let (url, name) = (Secret::new(&*database.url), database.name.clone());
        let options = MongoOptions {
            url,
            database: name,
            timeout: PATIENCE,
            pool: 4,
        };
        Some(Site::new(mongodb::open(options).await.unwrap(), database))
    }
}
