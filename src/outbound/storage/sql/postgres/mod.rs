//! PostgreSQL: a pool of connections, and an order between what may be stored and what is asked about it.

mod append;
mod connection;
mod open;
#[cfg(test)]
mod plans;
mod pool;
mod text;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::{RwLock, oneshot};
use tokio::time::Instant;

use self::connection::{Link, classify};
pub use self::open::{PostgresOptions, open};
use self::pool::{Lease, Pool};
use super::driver::{Driver, Outcome};
use crate::core::error::StorageError;

/// A server that was reached.
struct PostgresDriver {
    pool: Arc<Pool>,
    timeout: Duration,
    /// Held by writes together, and alone by what is to be judged after them. A write's ends when this process knows
    /// how it ended, or gave it up.
    gate: Arc<RwLock<()>>,
    /// Begins what waits for the transactions that this process has given up, and that the server may still commit: each
    /// holds the instance's lock until it has ended for good, from its first claim on.
    judge: String,
}

impl Driver for PostgresDriver {
    type Connection = Link;

    async fn write<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Link) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        let deadline = Instant::now() + self.timeout;
        let gate = by(deadline, async {
            Ok(Arc::clone(&self.gate).read_owned().await)
        })
        .await?;
        let (answer, answered) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        // A task of its own goes on where the caller gives up.
        tokio::spawn(async move {
            let call = async {
                let lease = begun(&pool, "BEGIN".to_owned()).await?;
                // Nobody waits for it any more, and it has promised nothing yet.
                if answer.is_closed() {
                    return ended(&pool, lease, Err(gone())).await;
                }
                done(&pool, lease, work).await
            };
            let outcome = by(deadline, call).await;
            drop(gate);
            let _ = answer.send(outcome);
        });
        answered.await.map_err(|_| gone())?
    }

    async fn read<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Link) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        let call = async {
            let mut lease = self.pool.lease().await?;
            let outcome = work(&mut lease.link).await;
            match &outcome {
                Err(StorageError::Unavailable(_)) => self.pool.distrust(),
                _ => self.pool.give_back(lease),
            }
            outcome
        };
        by(Instant::now() + self.timeout, call).await
    }

    async fn read_settled<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Link) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        let call = async {
            let _gate = self.gate.write().await;
            let lease = begun(&self.pool, self.judge.clone()).await?;
            done(&self.pool, lease, work).await
        };
        by(Instant::now() + self.timeout, call).await
    }

    async fn close(&self) {
        let close = async {
            // What is under way comes first.
            let _gate = self.gate.write().await;
            self.pool.close().await;
            Ok(())
        };
        if let Err(error) = by(Instant::now() + self.timeout, close).await {
            self.pool.distrust();
            tracing::warn!(
                error = error.chain(),
                "the connections to the database were not closed cleanly"
            );
        }
    }
}

/// A connection in a transaction.
async fn begun(pool: &Pool, begin: String) -> Outcome<Lease> {
    let mut lease = pool.lease().await?;
    match lease.link.raw.execute(AssertSqlSafe(begin)).await {
        Ok(_) => Ok(lease),
        Err(error) => {
            pool.distrust();
            Err(classify(error))
        }
    }
}

/// Does `work` in the transaction that was begun, and ends it.
async fn done<T, F>(pool: &Pool, mut lease: Lease, work: F) -> Outcome<T>
where
    F: for<'c> FnOnce(&'c mut Link) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
{
    let mut outcome = work(&mut lease.link).await;
    if outcome.is_ok() {
        match lease.link.raw.execute("COMMIT").await {
            Ok(_) => {
                pool.give_back(lease);
                return outcome;
            }
            Err(error) => outcome = Err(classify(error)),
        }
    }
    ended(pool, lease, outcome).await
}

/// Rolls back, and answers `outcome`.
async fn ended<T>(pool: &Pool, mut lease: Lease, outcome: Outcome<T>) -> Outcome<T> {
    match lease.link.raw.execute("ROLLBACK").await {
        Ok(_) => pool.give_back(lease),
        Err(_) => pool.distrust(),
    }
    outcome
}

async fn by<T>(deadline: Instant, call: impl Future<Output = Outcome<T>> + Send) -> Outcome<T> {
    tokio::time::timeout_at(deadline, call)
        .await
        .unwrap_or_else(|late| Err(StorageError::unavailable(late)))
}

fn gone() -> StorageError {
    StorageError::unavailable("the database was closed")
}
