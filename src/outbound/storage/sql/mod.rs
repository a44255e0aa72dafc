//! One adapter for all SQL databases. The ports are implemented once, over shared statements (each database understands
//! `$1`). A driver module (`postgres`, `sqlite`) runs statements, reads rows and isolates transactions.

mod app_cleanup;
mod apps;
mod archive;
mod cache;
mod driver;
mod due;
mod error;
mod event_row;
mod events;
mod inbox;
mod outbox;
pub mod postgres;
mod prune;
mod publish_rows;
mod sessions;
pub mod sqlite;
mod statement;
mod subscriptions;
mod targets;
mod value;

use std::sync::Arc;

use async_trait::async_trait;

use self::driver::{Driver, SqlConnection};
use crate::core::error::StorageError;
use crate::core::ports::{AppStore, Database, Stores};

/// The storage ports over a driver.
struct SqlStore<D> {
    driver: Arc<D>,
}

impl<D: Driver> SqlStore<D> {
    /// Wraps an open, migrated database, and resumes the cleanup of deleted apps.
    fn stores(driver: D) -> Stores {
        let store = Self {
            driver: Arc::new(driver),
        };
        store.start_cleanup();
        Stores::from_adapter(Arc::new(store))
    }
}

#[async_trait]
impl<D: Driver> Database for SqlStore<D> {
    async fn ping(&self) -> Result<(), StorageError> {
        self.revision().await.map(drop)
    }

    async fn check_writable(&self) -> Result<(), StorageError> {
        self.driver
            .write(|connection| {
                Box::pin(async move {
                    // Twice, which changes nothing: SQLite writes no page for a value that stays.
                    connection.execute(apps::REWRITE, &[]).await?;
                    connection.execute(apps::REWRITE, &[]).await
                })
            })
            .await
            .map(drop)
    }

    async fn close(&self) {
        self.driver.close().await;
    }
}

/// Subquery: the primary key of the app whose ident is `$1`.
macro_rules! app {
    () => {
        "(SELECT id FROM apps WHERE ident = $1)"
    };
}

/// Subquery: the primary key of the channel `$2` of the app `$1`.
macro_rules! channel {
    () => {
        "(SELECT id FROM channels WHERE app = (SELECT id FROM apps WHERE ident = $1) AND name = $2)"
    };
}

use {app, channel};
