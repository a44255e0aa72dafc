//! How an SQLite connection runs statements, and how its rows and errors are read.

use std::borrow::Cow;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, Row as _};

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::events::{Claimed, Placed, Wanted};
use super::super::fault;
use super::super::rows::Bulk;
use super::append;
use crate::core::error::StorageError;

const TAKE_IDS: &str = "INSERT INTO counters (app, last_id) VALUES ($1, $2) \
    ON CONFLICT (app) DO UPDATE SET last_id = last_id + excluded.last_id RETURNING last_id";

const REACH_ID: &str = "INSERT INTO counters (app, last_id) VALUES ($1, $2) \
    ON CONFLICT (app) DO UPDATE SET last_id = max(last_id, excluded.last_id)";

impl Connection for SqliteConnection {
    type Row = SqliteRow;

    /// A transaction that writes is alone, so nothing needs to be held.
    const HOLD_APP: &'static str = "SELECT id FROM apps WHERE ident = $1";

    async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<u64> {
        let done = sqlx::query_with(sql, bind(args)?).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(classify)
    }

    async fn rows(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Outcome<Vec<SqliteRow>> {
        sqlx::query_with(sql, bind(args)?)
            .fetch_all(self)
            .await
            .map_err(classify)
    }

    async fn bulk<const N: usize>(
        &mut self,
        statement: &'static Bulk<N>,
        rows: &[[Arg<'_>; N]],
    ) -> Outcome<Vec<SqliteRow>> {
        let mut answered = Vec::new();
        for (sql, run) in statement.lists.runs(rows) {
            answered.append(&mut self.rows(sql, run.as_flattened()).await?);
        }
        Ok(answered)
    }

    async fn claim(&mut self, wanted: &[Wanted<'_>]) -> Outcome<Vec<Option<Claimed>>> {
        append::claim(self, wanted).await
    }

    async fn put(&mut self, events: &[&Placed<'_>]) -> Outcome<Vec<i64>> {
        append::put(self, events).await
    }

    async fn take_ids(&mut self, app: i64, count: i64) -> Outcome<Vec<i64>> {
        let row = self
            .row(TAKE_IDS, &[Arg::Int(app), Arg::Int(count)])
            .await?;
        let last = row
            .ok_or_else(|| StorageError::corrupt("no number was given"))?
            .int(0)?;
        Ok((last - count + 1..=last).collect())
    }

    async fn reach_id(&mut self, app: i64, id: i64) -> Outcome<()> {
        self.execute(REACH_ID, &[Arg::Int(app), Arg::Int(id)])
            .await
            .map(drop)
    }
}

fn bind(args: &[Arg<'_>]) -> Outcome<SqliteArguments> {
    let mut bound = SqliteArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        let added = match *arg {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) => bound.add(text),
            Arg::MaybeText(text) => bound.add(text),
            Arg::Bytes(bytes) => bound.add(bytes),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

impl Row for SqliteRow {
    fn int(&self, column: usize) -> Outcome<i64> {
        self.try_get(column).map_err(classify)
    }

    fn maybe_int(&self, column: usize) -> Outcome<Option<i64>> {
        self.try_get(column).map_err(classify)
    }

    fn text(&self, column: usize) -> Outcome<Cow<'_, str>> {
        self.try_get::<&str, _>(column)
            .map(Cow::Borrowed)
            .map_err(classify)
    }

    fn maybe_text(&self, column: usize) -> Outcome<Option<Cow<'_, str>>> {
        Ok(self
            .try_get::<Option<&str>, _>(column)
            .map_err(classify)?
            .map(Cow::Borrowed))
    }
}

/// What a driver's error means to the core. Codes: <https://www.sqlite.org/rescode.html>.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    /// `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
    const DAMAGED: [i32; 2] = [11, 26];
    fault::classify(error, |cause| {
        code(cause).is_some_and(|code| DAMAGED.contains(&code))
    })
}

/// SQLite's own code, without what extends it.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error().and_then(code)
}

fn code(error: &dyn DatabaseError) -> Option<i32> {
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}
