//! The connections to the server. One that failed, or that was given up in the middle of something, is never used again.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection::{Link, classify};
use crate::core::error::StorageError;
use crate::outbound::storage::sql::driver::Outcome;

/// A connection that was idle for longer is asked whether it still lives.
const TRUSTED: Duration = Duration::from_secs(1);

/// Connections, made when they are needed.
pub(super) struct Pool {
    options: PgConnectOptions,
    /// Statements that each connection begins with.
    setup: String,
    instance: i64,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<(Link, Instant)>>,
}

/// A connection in use. Dropped, it closes; [`Pool::give_back`] keeps it.
pub(super) struct Lease {
    pub link: Link,
    place: OwnedSemaphorePermit,
}

impl Pool {
    /// At most `size` connections of the `instance`. The server ends by itself what its client gave up, `timeout` after its last word.
    pub fn new(options: PgConnectOptions, size: u32, timeout: Duration, instance: i64) -> Self {
        let millis = i32::try_from(timeout.as_millis())
            .unwrap_or(i32::MAX)
            .max(1);
        let setup = format!(
            "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis}"
        );
        let places = Arc::new(Semaphore::new(usize::try_from(size.max(1)).unwrap_or(1)));
        Self {
            options,
            setup,
            instance,
            places,
            idle: Mutex::default(),
        }
    }

    /// A new connection that the pool does not count.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        connection
            .execute(AssertSqlSafe(self.setup.as_str()))
            .await?;
        Ok(connection)
    }

    /// A connection that lives, as far as can be known, once fewer than the most are in use.
    pub async fn lease(&self) -> Outcome<Lease> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(StorageError::unavailable)?;
        while let Some((mut link, since)) = self.take_idle() {
            if since.elapsed() < TRUSTED || link.raw.ping().await.is_ok() {
                return Ok(Lease { link, place });
            }
            self.distrust();
        }
        let link = Link {
            raw: self.connect().await.map_err(classify)?,
            instance: self.instance,
        };
        Ok(Lease { link, place })
    }

    /// Keeps a connection for the next who needs one.
    pub fn give_back(&self, lease: Lease) {
        if !self.places.is_closed() {
            self.idle.lock().push((lease.link, Instant::now()));
        }
        drop(lease.place);
    }

    /// Drops what is idle: a connection failed, so the server may have gone from under them all.
    pub fn distrust(&self) {
        self.idle.lock().clear();
    }

    /// Closes what is idle, and everything else once it is given back.
    pub async fn close(&self) {
        self.places.close();
        while let Some((link, _)) = self.take_idle() {
            // The server also takes a connection's end for an end.
            let _ = link.raw.close().await;
        }
    }

    fn take_idle(&self) -> Option<(Link, Instant)> {
        self.idle.lock().pop()
    }
}
