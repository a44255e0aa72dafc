//! SQLite: one connection that writes, a few that read, one file.

mod append;
mod connection;
#[cfg(test)]
mod failures;
mod lane;
mod open;
#[cfg(test)]
mod plans;

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use self::connection::classify;
use self::lane::Lane;
pub use self::open::{SqliteOptions, open};
use super::driver::{Driver, Outcome};
use crate::core::error::StorageError;

/// A file, or memory, that is open.
struct SqliteDriver {
    lane: Lane,
    /// `None` for a database in memory: it belongs to the one connection.
    readers: Option<SqlitePool>,
    timeout: Duration,
}

impl Driver for SqliteDriver {
    type Connection = SqliteConnection;

    async fn write<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        self.in_time(self.lane.transaction(work)).await
    }

    async fn read<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        let Some(readers) = &self.readers else {
            return self.read_settled(work).await;
        };
        self.in_time(async { work(&mut *readers.acquire().await.map_err(classify)?).await })
            .await
    }

    async fn read_settled<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        self.in_time(self.lane.plain(work)).await
    }

    async fn close(&self) {
        let readers = async {
            if let Some(readers) = &self.readers {
                readers.close().await;
            }
            Ok(())
        };
        for closed in [
            self.in_time(readers).await,
            self.in_time(self.lane.close()).await,
        ] {
            if let Err(error) = closed {
                tracing::warn!(
                    error = error.chain(),
                    "the database was not closed cleanly; it recovers by itself"
                );
            }
        }
    }
}

impl SqliteDriver {
    async fn in_time<T>(&self, call: impl Future<Output = Outcome<T>> + Send) -> Outcome<T> {
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or_else(|late| Err(StorageError::unavailable(late)))
    }
}
