//! The single connection that writes. SQLite allows one writer at a time, and writers that wait for its lock poll, so calls
//! wait in this queue instead, in order. Each call runs to its end: a cancelled caller leaves no open transaction.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::value::classify;
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;

/// Calls that may be queued before further callers wait for space.
const QUEUE_CAPACITY: usize = 1024;

type WriteTask = Box<dyn for<'s> FnOnce(&'s mut WriterState) -> BoxFuture<'s, ()> + Send>;

/// The sending end of the queue.
pub(super) struct Writer {
    tasks: mpsc::Sender<WriteTask>,
    /// For how long a call waits for its turn, and then for its end.
    timeout: Duration,
}

/// The connection, which is reopened after a failure.
struct WriterState {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    /// Set for a database in memory, which ends with its connection, and after [`Writer::close`].
    never_reopen: bool,
}

impl Writer {
    /// Starts the task that owns `connection`. After a failure it reopens the connection with `options`, unless the
    /// database is `in_memory`.
    pub(super) fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        in_memory: bool,
        timeout: Duration,
    ) -> Self {
        let (tasks, mut queue) = mpsc::channel::<WriteTask>(QUEUE_CAPACITY);
        let mut state = WriterState {
            options,
            connection: Some(connection),
            never_reopen: in_memory,
        };
        tokio::spawn(async move {
            while let Some(task) = queue.recv().await {
                task(&mut state).await;
            }
        });
        Self { tasks, timeout }
    }

    /// Runs `work` in a transaction.
    pub(super) async fn transaction<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        self.enqueue(move |state| Box::pin(async move { state.transaction(work).await }))
            .await
    }

    /// Runs `work` without a transaction.
    pub(super) async fn run<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        self.enqueue(move |state| Box::pin(async move { work(state.connection().await?).await }))
            .await
    }

    /// Closes the connection after the calls that are queued.
    pub(super) async fn close(&self) -> StorageResult<()> {
        self.enqueue(|state| Box::pin(async move { state.close().await }))
            .await
    }

    async fn enqueue<T, F>(&self, work: F) -> StorageResult<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut WriterState) -> BoxFuture<'s, StorageResult<T>> + Send + 'static,
    {
        let ((begun, turn), (reply, result)) = (oneshot::channel(), oneshot::channel());
        let task: WriteTask = Box::new(move |state| {
            Box::pin(async move {
                // Work whose caller has dropped its future is not begun.
                if begun.send(()).is_ok() {
                    let _ = reply.send(work(state).await);
                }
            })
        });
        // A call that waits behind others has the whole time for itself when its turn comes.
        let turn = async {
            self.tasks.send(task).await.map_err(|_| closed())?;
            turn.await.map_err(|_| closed())
        };
        self.with_timeout(turn).await?;
        let result = async { result.await.map_err(|_| closed())? };
        self.with_timeout(result).await
    }

    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = StorageResult<T>>,
    ) -> StorageResult<T> {
        timeout(self.timeout, call)
            .await
            .unwrap_or_else(|elapsed| Err(StorageError::unavailable(elapsed)))
    }
}

impl WriterState {
    async fn connection(&mut self) -> StorageResult<&mut SqliteConnection> {
        if self.connection.is_none() {
            if self.never_reopen {
                return Err(closed());
            }
            self.connection = Some(self.options.connect().await.map_err(classify)?);
        }
        self.connection.as_mut().ok_or_else(closed)
    }

    async fn close(&mut self) -> StorageResult<()> {
        self.never_reopen = true;
        match self.connection.take() {
            Some(connection) => sqlx::Connection::close(connection).await.map_err(classify),
            None => Ok(()),
        }
    }

    async fn transaction<T, F>(&mut self, work: F) -> StorageResult<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static,
    {
        let connection = self.connection().await?;
        connection.execute("BEGIN IMMEDIATE", &[]).await?;
        let done = work(connection).await;
        let error = match done {
            Ok(value) => match connection.execute("COMMIT", &[]).await {
                Ok(_) => return Ok(value),
                Err(error) => error,
            },
            Err(error) => error,
        };
        // Fails if SQLite has already rolled back after an error; the connection is then reopened to be safe.
        if connection.execute("ROLLBACK", &[]).await.is_err() && !self.never_reopen {
            self.connection = None;
        }
        Err(error)
    }
}

fn closed() -> StorageError {
    StorageError::unavailable("the database was closed")
}
