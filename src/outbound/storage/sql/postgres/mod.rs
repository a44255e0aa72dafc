//! PostgreSQL: a connection pool, and a barrier that orders reads after the writes whose outcome they determine.

mod append;
mod connection;
mod due;
mod escape;
mod listen;
mod open;
#[cfg(test)]
mod plans;
mod pool;
mod value;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::{RwLock, oneshot};
use tokio::time::Instant;

use self::connection::PostgresConnection;
use self::listen::RowListener;
pub use self::open::{PostgresOptions, open};
use self::pool::{ConnectionPool, PooledConnection};
use self::value::classify;
use super::driver::Driver;
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

/// An open database.
struct PostgresDriver {
    pool: Arc<ConnectionPool>,
    timeout: Duration,
    /// Writes hold it shared, `read_settled` exclusively. A write releases it when its outcome is known, or when it has
    /// timed out.
    barrier: Arc<RwLock<()>>,
    /// Begins a transaction that waits for those that have timed out here and that the server may still commit: each holds
    /// the instance's advisory lock from its first claim to its end.
    begin_settled: String,
    listener: RowListener,
}

impl Driver for PostgresDriver {
    type Connection = PostgresConnection;

    async fn write<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PostgresConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        let deadline = Instant::now() + self.timeout;
        let guard = with_deadline(deadline, async {
            Ok(Arc::clone(&self.barrier).read_owned().await)
        })
        .await?;
        let (reply, result) = oneshot::channel();
        let (pool, timeout) = (Arc::clone(&self.pool), self.timeout);
        // A separate task continues when the caller drops this future.
        tokio::spawn(async move {
            let begun = with_deadline(deadline, begin(&pool, "BEGIN".to_owned())).await;
            // A call that waited for a connection has the whole time for itself.
            let deadline = Instant::now() + timeout;
            let call = async {
                let pooled = begun?;
                // The caller has dropped its future and the work has not begun.
                if reply.is_closed() {
                    return roll_back(&pool, pooled, Err(closed())).await;
                }
                commit(&pool, pooled, work).await
            };
            let outcome = with_deadline(deadline, call).await;
            drop(guard);
            let _ = reply.send(outcome);
        });
        result.await.map_err(|_| closed())?
    }

    async fn read<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PostgresConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        let call = async {
            let mut pooled = self.pool.acquire().await?;
            let outcome = work(&mut pooled.connection).await;
            match &outcome {
                Err(StorageError::Unavailable(_)) => self.pool.discard_idle(),
                _ => self.pool.release(pooled),
            }
            outcome
        };
        with_deadline(Instant::now() + self.timeout, call).await
    }

    async fn read_settled<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PostgresConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        let call = async {
            let _guard = self.barrier.write().await;
            let pooled = begin(&self.pool, self.begin_settled.clone()).await?;
            commit(&self.pool, pooled, work).await
        };
        with_deadline(Instant::now() + self.timeout, call).await
    }

    async fn inserted(&self) {
        self.listener.inserted().await;
    }

    async fn close(&self) {
        self.listener.close();
        let close = async {
            // Waits for running writes.
            let _guard = self.barrier.write().await;
            self.pool.close().await;
            Ok(())
        };
        if let Err(error) = with_deadline(Instant::now() + self.timeout, close).await {
            self.pool.discard_idle();
            tracing::warn!(
                error = error.chain(),
                "postgres connections not closed cleanly"
            );
        }
    }
}

/// Acquires a connection and begins a transaction with the statements `begin`.
async fn begin(pool: &ConnectionPool, begin: String) -> StorageResult<PooledConnection> {
    let mut pooled = pool.acquire().await?;
    match pooled.connection.raw.execute(AssertSqlSafe(begin)).await {
        Ok(_) => Ok(pooled),
        Err(error) => {
            pool.discard_idle();
            Err(classify(error))
        }
    }
}

/// Runs `work` in the transaction, and commits or rolls back.
async fn commit<T, F>(
    pool: &ConnectionPool,
    mut pooled: PooledConnection,
    work: F,
) -> StorageResult<T>
where
    F: for<'c> FnOnce(&'c mut PostgresConnection) -> BoxFuture<'c, StorageResult<T>>
        + Send
        + 'static,
{
    let mut outcome = work(&mut pooled.connection).await;
    if outcome.is_ok() {
        match pooled.connection.raw.execute("COMMIT").await {
            Ok(_) => {
                pool.release(pooled);
                return outcome;
            }
            Err(error) => outcome = Err(classify(error)),
        }
    }
    roll_back(pool, pooled, outcome).await
}

/// Rolls back and returns `outcome`.
async fn roll_back<T>(
    pool: &ConnectionPool,
    mut pooled: PooledConnection,
    outcome: StorageResult<T>,
) -> StorageResult<T> {
    match pooled.connection.raw.execute("ROLLBACK").await {
        Ok(_) => pool.release(pooled),
        Err(_) => pool.discard_idle(),
    }
    outcome
}

async fn with_deadline<T>(
    deadline: Instant,
    call: impl Future<Output = StorageResult<T>> + Send,
) -> StorageResult<T> {
    tokio::time::timeout_at(deadline, call)
        .await
        .unwrap_or_else(|elapsed| Err(StorageError::unavailable(elapsed)))
}

fn closed() -> StorageError {
    StorageError::unavailable("the database was closed")
}
