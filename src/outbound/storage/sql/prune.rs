//! Retention: what is too old, or too much, is looked for among the readers and then deleted by its number, so that
//! appends do not wait for the search.

use std::sync::LazyLock;

use super::SqlStore;
use super::driver::{Arg, Connection, Driver, Outcome, Row};
use super::number::signed;
use super::rows::ManyRows;
use crate::core::ports::Pruning;

pub(super) const TOO_OLD: &str =
    "SELECT app, id FROM events WHERE time < $1 ORDER BY time LIMIT $2";
/// `CROSS JOIN` makes SQLite go from the channels to the events, not the other way.
pub(super) const TOO_MANY: &str = "SELECT e.app, e.id FROM channels c CROSS JOIN events e WHERE e.channel = c.id AND e.serial <= c.head - $1 LIMIT $2";

pub(super) static DELETE: LazyLock<ManyRows> =
    LazyLock::new(|| ManyRows::new("DELETE FROM events WHERE (app, id) IN (VALUES ", 1, 2, ")"));

impl<D: Driver> SqlStore<D> {
    pub(super) async fn prune_events(&self, pruning: Pruning, limit: usize) -> Outcome<u64> {
        let mut removed = 0;
        if let Some(before) = pruning.before {
            removed += self.prune_found(TOO_OLD, before.micros(), limit).await?;
        }
        match pruning.keep {
            Some(keep) => Ok(removed
                + self
                    .prune_found(
                        TOO_MANY,
                        signed(keep),
                        limit.saturating_sub(removed as usize),
                    )
                    .await?),
            None => Ok(removed),
        }
    }

    async fn prune_found(&self, sql: &'static str, bound: i64, limit: usize) -> Outcome<u64> {
        let args = [Arg::Int(bound), Arg::Int(signed(limit))];
        let found = self.driver.read(move |connection| {
            Box::pin(async move {
                let rows = connection.rows(sql, &args).await?;
                rows.iter()
                    .map(|row| Ok([Arg::Int(row.int(0)?), Arg::Int(row.int(1)?)]))
                    .collect::<Outcome<Vec<_>>>()
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

async fn delete(connection: &mut impl Connection, events: &[[Arg<'static>; 2]]) -> Outcome<u64> {
    let mut removed = 0;
    for (sql, run) in DELETE.runs(events) {
        removed += connection.execute(sql, run.as_flattened()).await?;
    }
    Ok(removed)
}
