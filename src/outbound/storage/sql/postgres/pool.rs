//! The connection pool. A connection that failed, or whose call was cancelled, is never used again.
//!
//! `sqlx::PgPool` is no replacement: on release it sends a ping, in a spawned task, before the connection is available
//! again, which adds a round trip to each call.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection::PostgresConnection;
use super::value::classify;
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

/// A connection that was idle for longer is pinged before use.
const PING_AFTER: Duration = Duration::from_secs(1);

/// Connections, opened on demand.
pub(super) struct ConnectionPool {
    options: PgConnectOptions,
    /// Statements that each new connection runs.
    setup: String,
    instance: i64,
    permits: Arc<Semaphore>,
    /// Each with the time of its release.
    idle: Mutex<Vec<(PostgresConnection, Instant)>>,
}

/// A connection in use. Dropping it closes it; [`ConnectionPool::release`] keeps it.
pub(super) struct PooledConnection {
    pub connection: PostgresConnection,
    permit: OwnedSemaphorePermit,
}

impl ConnectionPool {
    /// Creates a pool of at most `size` connections of the `instance`. The server cancels statements that run longer than
    /// `timeout`, and ends transactions that are idle for as long.
    pub(super) fn new(
        options: PgConnectOptions,
        size: u32,
        timeout: Duration,
        instance: i64,
    ) -> Self {
        let millis = i32::try_from(timeout.as_millis())
            .unwrap_or(i32::MAX)
            .max(1);
        let setup = format!(
            "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis}"
        );
        let permits = Arc::new(Semaphore::new(usize::try_from(size.max(1)).unwrap_or(1)));
        Self {
            options,
            setup,
            instance,
            permits,
            idle: Mutex::default(),
        }
    }

    /// Opens a connection that does not count against the size.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        connection
            .execute(AssertSqlSafe(self.setup.as_str()))
            .await?;
        Ok(connection)
    }

    /// Waits for a permit, and returns an idle connection or a new one.
    pub(super) async fn acquire(&self) -> StorageResult<PooledConnection> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(StorageError::unavailable)?;
        while let Some((mut connection, since)) = self.take_idle() {
            if since.elapsed() < PING_AFTER || connection.raw.ping().await.is_ok() {
                return Ok(PooledConnection { connection, permit });
            }
            self.discard_idle();
        }
        let connection = PostgresConnection {
            raw: self.connect().await.map_err(classify)?,
            instance: self.instance,
        };
        Ok(PooledConnection { connection, permit })
    }

    /// Returns a connection to the pool.
    pub(super) fn release(&self, pooled: PooledConnection) {
        if !self.permits.is_closed() {
            self.idle.lock().push((pooled.connection, Instant::now()));
        }
        drop(pooled.permit);
    }

    /// Drops the idle connections. Called when a connection has failed, because the server may have ended all of them.
    pub(super) fn discard_idle(&self) {
        self.idle.lock().clear();
    }

    /// Closes the idle connections, and the others as soon as they are released.
    pub(super) async fn close(&self) {
        self.permits.close();
        while let Some((connection, _)) = self.take_idle() {
            // If the message is lost, the server notices the closed socket.
            let _ = connection.raw.close().await;
        }
    }

    fn take_idle(&self) -> Option<(PostgresConnection, Instant)> {
        self.idle.lock().pop()
    }
}
