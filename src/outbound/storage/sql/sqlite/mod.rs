//! SQLite: one file, one connection that writes and several that read.

mod append;
mod connection;
mod due;
#[cfg(test)]
mod failures;
mod open;
#[cfg(test)]
mod plans;
mod value;
mod writer;

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

pub use self::open::{SqliteOptions, open};
use self::value::classify;
use self::writer::Writer;
use super::driver::Driver;
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

/// The interval in which rows of other programs are looked for.
const POLL: Duration = Duration::from_millis(250);

/// An open database.
struct SqliteDriver {
    writer: Writer,
    /// `None` for a database in memory, which only the writer can reach.
    readers: Option<SqlitePool>,
    timeout: Duration,
}

impl Driver for SqliteDriver {
    type Connection = SqliteConnection;

    async fn write<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        self.writer.transaction(work).await
    }

    async fn read<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        let Some(readers) = &self.readers else {
            return self.read_settled(work).await;
        };
        self.with_timeout(async { work(&mut *readers.acquire().await.map_err(classify)?).await })
            .await
    }

    async fn read_settled<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        self.writer.run(work).await
    }

    /// SQLite sends no messages between processes. A database in memory is reached by no other.
    async fn inserted(&self) {
        match self.readers {
            Some(_) => tokio::time::sleep(POLL).await,
            None => std::future::pending().await,
        }
    }

    async fn close(&self) {
        let readers = async {
            if let Some(readers) = &self.readers {
                readers.close().await;
            }
            Ok(())
        };
        for closed in [self.with_timeout(readers).await, self.writer.close().await] {
            if let Err(error) = closed {
                tracing::warn!(
                    error = error.chain(),
                    "sqlite not closed cleanly, it recovers at the next open"
                );
            }
        }
    }
}

impl SqliteDriver {
    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = StorageResult<T>> + Send,
    ) -> StorageResult<T> {
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or_else(|elapsed| Err(StorageError::unavailable(elapsed)))
    }
}
