//! Retention. Events that exceed the age or the count are searched on a reading connection and then deleted by channel and
//! serial, so that appends do not wait for the search. Both columns are in the index of the search by count, which therefore
//! reads no event: a page for each event found would stay with the allocator, once for each SQLite connection that has done a
//! round.

use std::sync::LazyLock;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::statement::MultiRowStatement;
use super::value::{Arg, SqlRow, signed};
use crate::core::ports::Pruning;
use crate::outbound::storage::StorageResult;

pub(super) const TOO_OLD: &str =
    "SELECT channel, serial FROM events WHERE time < $1 ORDER BY time LIMIT $2";
/// `CROSS JOIN` makes SQLite use the channels as the outer loop.
pub(super) const TOO_MANY: &str = "SELECT e.channel, e.serial FROM channels c CROSS JOIN events e WHERE e.channel = c.id AND e.serial <= c.head - $1 LIMIT $2";

pub(super) static DELETE: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    MultiRowStatement::new(
        "DELETE FROM events WHERE (channel, serial) IN (VALUES ",
        1,
        2,
        ")",
    )
});

impl<D: Driver> SqlStore<D> {
    pub(super) async fn prune_events(&self, pruning: Pruning, limit: usize) -> StorageResult<u64> {
        let mut removed = 0;
        if let Some(before) = pruning.before {
            removed += self.delete_found(TOO_OLD, before.micros(), limit).await?;
        }
        match pruning.keep {
            Some(keep) => Ok(removed
                + self
                    .delete_found(
                        TOO_MANY,
                        signed(keep),
                        limit.saturating_sub(removed as usize),
                    )
                    .await?),
            None => Ok(removed),
        }
    }

    async fn delete_found(
        &self,
        sql: &'static str,
        bound: i64,
        limit: usize,
    ) -> StorageResult<u64> {
        let args = [Arg::Int(bound), Arg::Int(signed(limit))];
        let found = self.driver.read(move |connection| {
            Box::pin(async move {
                let mut found = Vec::new();
                let take = |row: &<D::Connection as SqlConnection>::Row| {
                    found.push([Arg::Int(row.int(0)?), Arg::Int(row.int(1)?)]);
                    Ok(true)
                };
                connection.take_rows(sql, &args, take).await?;
                Ok(found)
            })
        });
        let found = found.await?;
        if found.is_empty() {
            return Ok(0);
        }
        self.driver
            .write(move |connection| Box::pin(async move { delete(connection, &found).await }))
            .await
    }
}

async fn delete(
    connection: &mut impl SqlConnection,
    events: &[[Arg<'static>; 2]],
) -> StorageResult<u64> {
    let mut removed = 0;
    for (sql, chunk) in DELETE.chunks(events) {
        removed += connection.execute(sql, chunk.as_flattened()).await?;
    }
    Ok(removed)
}
