//! What a deleted app leaves behind is removed bit by bit after it, so that deleting a large one blocks nobody.
//! Nothing finds those rows meanwhile: everything is looked up by the app's number, which is never given twice.

use std::sync::Arc;

use super::SqlStore;
use super::driver::{Arg, Connection, Driver, Outcome, Row};

const REMOVED: &str = "SELECT app FROM removed_apps ORDER BY app LIMIT 1";
const FORGET: &str = "DELETE FROM removed_apps WHERE app = $1";

macro_rules! first_thousand {
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

/// Each removes some rows of the app `$1`; all are gone once none finds any.
pub(super) const BITS: [&str; 11] = [
    first_thousand!("events", "id"),
    first_thousand!("subscriptions", "id"),
    first_thousand!("intervals", "user_id"),
    first_thousand!("channels", "name"),
    first_thousand!("cache", "channel"),
    first_thousand!("targets", "id"),
    first_thousand!("outbox_queues", "address"),
    first_thousand!("outbox_notices", "id"),
    first_thousand!("outbox_marks", "channel"),
    first_thousand!("outbox_deliveries", "id"),
    "DELETE FROM sessions WHERE app = $1",
];

impl<D: Driver> SqlStore<D> {
    /// Starts removing what deleted apps left behind, and ends when all is gone, when the store fails (the next start
    /// or deletion goes on), or when the store is dropped.
    pub(super) fn sweep(&self) {
        let driver = Arc::downgrade(&self.driver);
        tokio::spawn(async move {
            while let Some(driver) = driver.upgrade() {
                match remove_bit(&*driver).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        return tracing::warn!(
                            error = error.chain(),
                            "what a deleted app left is not all removed yet"
                        );
                    }
                }
            }
        });
    }
}

/// Removes some of what is left; `false` where nothing was.
async fn remove_bit(driver: &impl Driver) -> Outcome<bool> {
    let Some(row) = driver
        .read(|connection| Box::pin(connection.row(REMOVED, &[])))
        .await?
    else {
        return Ok(false);
    };
    let app = [Arg::Int(row.int(0)?)];
    let bit = driver.write(move |connection| {
        Box::pin(async move {
            let mut removed = 0;
            for sql in BITS {
                removed += connection.execute(sql, &app).await?;
            }
            if removed == 0 {
                connection.execute(FORGET, &app).await
            } else {
                Ok(removed)
            }
        })
    });
    bit.await.map(|_| true)
}
