//! One adapter for SQL databases. The ports are written once, over shared statements (`$1` works in each database);
//! a driver room (`postgres`, `sqlite`) says how a connection runs them, how rows are read, and how transactions are kept apart.

mod apps;
mod archive;
mod cache;
mod driver;
mod events;
mod fault;
mod inbox;
mod number;
mod outbox;
pub mod postgres;
mod prune;
mod removal;
mod rows;
mod sessions;
pub mod sqlite;
mod subscriptions;

use std::sync::Arc;

use async_trait::async_trait;

use self::driver::Driver;
use crate::core::error::StorageError;
use crate::core::ports::{AppStore, Database, Stores};

/// The storage ports over a driver.
struct SqlStore<D> {
    driver: Arc<D>,
}

impl<D: Driver> SqlStore<D> {
    /// The ports of an open, migrated database.
    fn stores(driver: D) -> Stores {
        let store = Self {
            driver: Arc::new(driver),
        };
        store.sweep();
        Stores::from_adapter(Arc::new(store))
    }
}

#[async_trait]
impl<D: Driver> Database for SqlStore<D> {
    async fn ping(&self) -> Result<(), StorageError> {
        self.revision().await.map(drop)
    }

    async fn close(&self) {
        self.driver.close().await;
    }
}

/// The number of the app whose ident is `$1`, as part of a larger statement.
macro_rules! app {
    () => {
        "(SELECT id FROM apps WHERE ident = $1)"
    };
}

/// The number of the channel `$2` of the app `$1`, as part of a larger statement.
macro_rules! channel {
    () => {
        "(SELECT id FROM channels WHERE app = (SELECT id FROM apps WHERE ident = $1) AND name = $2)"
    };
}

use {app, channel};
