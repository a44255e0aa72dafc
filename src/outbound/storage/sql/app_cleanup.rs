//! Removal of the rows of deleted apps, in batches in the background, so that deleting a large app blocks no other call.
//! The remaining rows are invisible: every query goes through the app's primary key, which is never reused.

use std::sync::Arc;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, SqlRow};
use crate::outbound::storage::StorageResult;

const NEXT: &str = "SELECT app FROM removed_apps ORDER BY app LIMIT 1";
const FINISH: &str = "DELETE FROM removed_apps WHERE app = $1";

macro_rules! delete_thousand {
    ($table:literal, $column:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE app = $1 AND ",
            $column,
            " <= (SELECT max(",
            $column,
            ") FROM (SELECT ",
            $column,
            " FROM ",
            $table,
            " WHERE app = $1 ORDER BY ",
            $column,
            " LIMIT 1000) first)"
        )
    };
}

/// Each statement removes some rows of the app `$1`; the cleanup is complete when none of them finds a row.
pub(super) const DELETE_BATCH: [&str; 13] = [
    delete_thousand!("events", "id"),
    delete_thousand!("subscriptions", "id"),
    delete_thousand!("intervals", "user_id"),
    delete_thousand!("channels", "name"),
    delete_thousand!("cache", "channel"),
    delete_thousand!("targets", "id"),
    delete_thousand!("due_publishes", "event"),
    delete_thousand!("due_batches", "first"),
    delete_thousand!("outbox_queues", "address"),
    delete_thousand!("outbox_notices", "id"),
    delete_thousand!("outbox_marks", "channel"),
    delete_thousand!("outbox_deliveries", "id"),
    "DELETE FROM sessions WHERE app = $1",
];

impl<D: Driver> SqlStore<D> {
    /// Starts the cleanup in the background. It ends when no rows are left, when the store fails (the next start or
    /// deletion resumes it), or when the store is dropped.
    pub(super) fn start_cleanup(&self) {
        let driver = Arc::downgrade(&self.driver);
        tokio::spawn(async move {
            while let Some(driver) = driver.upgrade() {
                match remove_batch(&*driver).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        return tracing::warn!(
                            error = error.chain(),
                            "cleanup of deleted apps interrupted"
                        );
                    }
                }
            }
        });
    }
}

/// Removes one batch; `false` if nothing was left.
async fn remove_batch(driver: &impl Driver) -> StorageResult<bool> {
    let Some(row) = driver
        .read(|connection| Box::pin(connection.row(NEXT, &[])))
        .await?
    else {
        return Ok(false);
    };
    let app = [Arg::Int(row.int(0)?)];
    let removed = driver.write(move |connection| {
        Box::pin(async move {
            let mut removed = 0;
            for sql in DELETE_BATCH {
                removed += connection.execute(sql, &app).await?;
            }
            if removed == 0 {
                connection.execute(FINISH, &app).await
            } else {
                Ok(removed)
            }
        })
    });
    removed.await.map(|_| true)
}
