//! How a PostgreSQL connection runs statements, and how its rows and errors are read.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, Row as _};

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::events::{Claimed, Placed, Wanted};
use super::super::fault;
use super::super::rows::{Bulk, Kind};
use super::append;
use super::text::{escaped, unescaped};
use crate::core::error::StorageError;

const TAKE_IDS: &str = "SELECT nextval('ids') FROM generate_series(1, $1)";

/// Only forwards, and not at all where it is far enough: other apps' numbers come from the same sequence.
const REACH_ID: &str = "SELECT setval('ids', $1) FROM ids WHERE last_value < $1";

/// A connection, and the instance of the adapter that it belongs to.
pub(super) struct Link {
    pub raw: PgConnection,
    /// What a transaction that appends is known under, so that its end can be waited for.
    pub instance: i64,
}

impl Connection for Link {
    type Row = PgRow;

    /// Shared with other writers; only deleting the app waits.
    const HOLD_APP: &'static str = "SELECT id FROM apps WHERE ident = $1 FOR KEY SHARE";

    async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<u64> {
        let done = sqlx::query_with(sql, bind(args)?)
            .execute(&mut self.raw)
            .await;
        done.map(|done| done.rows_affected()).map_err(classify)
    }

    async fn rows(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<Vec<PgRow>> {
        sqlx::query_with(sql, bind(args)?)
            .fetch_all(&mut self.raw)
            .await
            .map_err(classify)
    }

    async fn bulk<const N: usize>(
        &mut self,
        statement: &'static Bulk<N>,
        rows: &[[Arg<'_>; N]],
    ) -> Outcome<Vec<PgRow>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        sqlx::query_with(statement.arrays.as_str(), arrays(&statement.kinds, rows)?)
            .fetch_all(&mut self.raw)
            .await
            .map_err(classify)
    }

    async fn claim(&mut self, wanted: &[Wanted<'_>]) -> Outcome<Vec<Option<Claimed>>> {
        append::claim(self, wanted).await
    }

    async fn put(&mut self, events: &[&Placed<'_>]) -> Outcome<Vec<i64>> {
        append::put(self, events).await
    }

    async fn take_ids(&mut self, _app: i64, count: i64) -> Outcome<Vec<i64>> {
        let rows = self.rows(TAKE_IDS, &[Arg::Int(count)]).await?;
        let mut ids = rows
            .iter()
            .map(|row| row.int(0))
            .collect::<Outcome<Vec<_>>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    async fn reach_id(&mut self, _app: i64, id: i64) -> Outcome<()> {
        self.rows(REACH_ID, &[Arg::Int(id)]).await.map(drop)
    }
}

fn bind(args: &[Arg<'_>]) -> Outcome<PgArguments> {
    let mut bound = PgArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        let added = match *arg {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) => bound.add(escaped(text)),
            Arg::MaybeText(text) => bound.add(text.map(escaped)),
            Arg::Bytes(bytes) => bound.add(bytes),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

/// Each column as one array.
pub(super) fn arrays<const N: usize>(
    kinds: &[Kind; N],
    rows: &[[Arg<'_>; N]],
) -> Outcome<PgArguments> {
    let mut bound = PgArguments::default();
    bound.reserve(N, 0);
    for (column, kind) in kinds.iter().enumerate() {
        let column = rows.iter().map(|row| row[column]);
        let added = match kind {
            Kind::Int => bound.add(column.map(Arg::int).collect::<Vec<_>>()),
            Kind::Text => bound.add(
                column
                    .map(|arg| arg.text().map(escaped))
                    .collect::<Vec<_>>(),
            ),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

impl Row for PgRow {
    fn int(&self, column: usize) -> Outcome<i64> {
        self.try_get(column).map_err(classify)
    }

    fn maybe_int(&self, column: usize) -> Outcome<Option<i64>> {
        self.try_get(column).map_err(classify)
    }

    fn text(&self, column: usize) -> Outcome<Cow<'_, str>> {
        self.try_get(column).map(unescaped).map_err(classify)
    }

    fn maybe_text(&self, column: usize) -> Outcome<Option<Cow<'_, str>>> {
        Ok(self
            .try_get::<Option<&str>, _>(column)
            .map_err(classify)?
            .map(unescaped))
    }
}

/// What a driver's error means to the core. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    /// `data_corrupted` and `index_corrupted`.
    const DAMAGED: [&str; 2] = ["XX001", "XX002"];
    fault::classify(error, |cause| {
        cause.code().is_some_and(|code| DAMAGED.contains(&&*code))
    })
}
