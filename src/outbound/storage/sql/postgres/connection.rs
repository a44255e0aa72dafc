//! How a PostgreSQL connection runs statements, and how its rows and errors are read.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, Row as _};

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::fault;
use super::text::{escaped, unescaped};
use crate::core::error::StorageError;

const TAKE_IDS: &str = "SELECT nextval('ids') FROM generate_series(1, $1)";

/// Only forwards, and not at all where it is far enough: other apps' numbers come from the same sequence.
const REACH_ID: &str = "SELECT setval('ids', $1) FROM ids WHERE last_value < $1";

impl Connection for PgConnection {
    type Row = PgRow;

    /// Each statement is a way to the server and back.
    const MOST_ROWS: usize = 256;

    /// Shared with other writers; only deleting the app waits.
    const HOLD_APP: &'static str = "SELECT id FROM apps WHERE ident = $1 FOR KEY SHARE";

    async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<u64> {
        let done = sqlx::query_with(sql, bind(args)?).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(classify)
    }

    async fn rows(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<Vec<PgRow>> {
        sqlx::query_with(sql, bind(args)?).fetch_all(self).await.map_err(classify)
    }

    async fn take_ids(&mut self, _app: i64, count: i64) -> Outcome<Vec<i64>> {
        let rows = self.rows(TAKE_IDS, &[Arg::Int(count)]).await?;
        let mut ids = rows.iter().map(|row| row.int(0)).collect::<Outcome<Vec<_>>>()?;
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
        Ok(self.try_get::<Option<&str>, _>(column).map_err(classify)?.map(unescaped))
    }
}

/// What a driver's error means to the core. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    /// `data_corrupted` and `index_corrupted`.
    const DAMAGED: [&str; 2] = ["XX001", "XX002"];
    fault::classify(error, |cause| cause.code().is_some_and(|code| DAMAGED.contains(&&*code)))
}
