//! Running statements on an SQLite connection.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::value::{bind, classify};
use super::{append, due};
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::statement::BulkInsert;
use crate::outbound::storage::sql::value::{Arg, SqlRow};

const ALLOCATE_IDS: &str = "INSERT INTO counters (app, last_id) VALUES ($1, $2) \
    ON CONFLICT (app) DO UPDATE SET last_id = last_id + excluded.last_id RETURNING last_id";

const ADVANCE_IDS: &str = "INSERT INTO counters (app, last_id) VALUES ($1, $2) \
    ON CONFLICT (app) DO UPDATE SET last_id = max(last_id, excluded.last_id)";

impl SqlConnection for SqliteConnection {
    type Row = SqliteRow;

    /// Needs no lock: there is only one writing transaction.
    const LOCK_APP: &'static str = "SELECT id FROM apps WHERE ident = $1";
    const LIST_DUE: &'static str = due::LIST;
    const PUT_DUE: &'static str = due::PUT;

    async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> StorageResult<u64> {
        let done = sqlx::query_with(sql, bind(args)?).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(classify)
    }

    async fn rows(&mut self, sql: &'static str, args: &[Arg<'_>]) -> StorageResult<Vec<SqliteRow>> {
        sqlx::query_with(sql, bind(args)?)
            .fetch_all(self)
            .await
            .map_err(classify)
    }

    async fn take_rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        mut take: impl FnMut(&SqliteRow) -> StorageResult<bool> + Send,
    ) -> StorageResult<()> {
        let mut rows = sqlx::query_with(sql, bind(args)?).fetch(self);
        while let Some(row) = rows.try_next().await.map_err(classify)? {
            if !take(&row)? {
                break;
            }
        }
        Ok(())
    }

    async fn bulk_insert<const N: usize>(
        &mut self,
        statement: &'static BulkInsert<N>,
        rows: &[[Arg<'_>; N]],
    ) -> StorageResult<Vec<SqliteRow>> {
        let mut returned = Vec::new();
        for (sql, chunk) in statement.row_lists.chunks(rows) {
            returned.append(&mut self.rows(sql, chunk.as_flattened()).await?);
        }
        Ok(returned)
    }

    async fn claim_serials(
        &mut self,
        requests: &[SerialRequest<'_>],
    ) -> StorageResult<Vec<Option<SerialClaim>>> {
        append::claim_serials(self, requests).await
    }

    async fn insert_events(&mut self, events: &[&EventRow<'_>]) -> StorageResult<Vec<i64>> {
        append::insert_events(self, events).await
    }

    async fn allocate_ids(&mut self, app: i64, count: i64) -> StorageResult<Vec<i64>> {
        let row = self
            .row(ALLOCATE_IDS, &[Arg::Int(app), Arg::Int(count)])
            .await?;
        let last = row
            .ok_or_else(|| StorageError::corrupt("the database allocated no id"))?
            .int(0)?;
        Ok((last - count + 1..=last).collect())
    }

    async fn advance_ids(&mut self, app: i64, id: i64) -> StorageResult<()> {
        due::close(self, app).await?;
        self.execute(ADVANCE_IDS, &[Arg::Int(app), Arg::Int(id)])
            .await
            .map(drop)
    }
    async fn claim_batched(
        &mut self,
        app: i64,
        holder: &str,
        until: i64,
        limit: i64,
    ) -> StorageResult<Vec<SqliteRow>> {
        due::claim(self, app, holder, until, limit).await
    }
}
