//! The one connection that writes. What is to be done to it waits in line, is done in order, and is done to its end:
//! a caller that gives up leaves no transaction half way.

use futures_util::future::BoxFuture;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::super::driver::{Connection, Outcome};
use crate::core::error::StorageError;

/// How many callers may wait in line before the next ones wait to get into it.
const LINE: usize = 1024;

type Job = Box<dyn for<'s> FnOnce(&'s mut Seat) -> BoxFuture<'s, ()> + Send>;

/// The line to the connection.
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
}

/// The place of the connection, which may have to be made anew.
struct Seat {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    /// A database in memory ends with its connection.
    irreplaceable: bool,
}

impl Lane {
    /// A line to `connection`; a broken one is replaced from `options`, unless it is `irreplaceable`.
    pub fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        irreplaceable: bool,
    ) -> Self {
        let (jobs, mut line) = mpsc::channel::<Job>(LINE);
        let mut seat = Seat {
            options,
            connection: Some(connection),
            irreplaceable,
        };
        tokio::spawn(async move {
            while let Some(job) = line.recv().await {
                job(&mut seat).await;
            }
        });
        Self { jobs }
    }

    /// Runs `work` in a transaction of its own.
    pub async fn transaction<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        self.line_up(move |seat| Box::pin(async move { seat.transaction(work).await }))
            .await
    }

    /// Runs `work` without a transaction.
    pub async fn plain<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
    {
        self.line_up(move |seat| Box::pin(async move { work(seat.connection().await?).await }))
            .await
    }

    /// Closes the connection after what waits in line.
    pub async fn close(&self) -> Outcome<()> {
        self.line_up(|seat| Box::pin(async move { seat.close().await }))
            .await
    }

    async fn line_up<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: for<'s> FnOnce(&'s mut Seat) -> BoxFuture<'s, Outcome<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |seat| {
            Box::pin(async move {
                // Where nobody waits for it any more, it has promised nothing yet.
                if !answer.is_closed() {
                    let _ = answer.send(work(seat).await);
                }
            })
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Seat {
    async fn connection(&mut self) -> Outcome<&mut SqliteConnection> {
        if self.connection.is_none() {
            if self.irreplaceable {
                return Err(gone());
            }
            self.connection = Some(self.options.connect().await.map_err(super::classify)?);
        }
        self.connection.as_mut().ok_or_else(gone)
    }

    async fn close(&mut self) -> Outcome<()> {
        self.irreplaceable = true;
        match self.connection.take() {
            Some(connection) => sqlx::Connection::close(connection)
                .await
                .map_err(super::classify),
            None => Ok(()),
        }
    }

    async fn transaction<T, F>(&mut self, work: F) -> Outcome<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Outcome<T>> + Send + 'static,
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
        // SQLite itself has rolled back after some errors; then this fails, and the connection is made anew to be sure.
        if connection.execute("ROLLBACK", &[]).await.is_err() && !self.irreplaceable {
            self.connection = None;
        }
        Err(error)
    }
}

fn gone() -> StorageError {
    StorageError::unavailable("the database was closed")
}
