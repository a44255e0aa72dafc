//! Running statements on a PostgreSQL connection.

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow};

use super::value::{bind, bind_arrays, classify};
use super::{append, due};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::statement::BulkInsert;
use crate::outbound::storage::sql::value::{Arg, SqlRow};

const ALLOCATE_IDS: &str = "SELECT nextval('ids') FROM generate_series(1, $1)";

/// Never moves the sequence backwards: all apps share it.
const ADVANCE_IDS: &str = "SELECT setval('ids', $1) FROM ids WHERE last_value < $1";

/// A connection of one store instance.
pub(super) struct PostgresConnection {
    pub raw: PgConnection,
    /// Key of the advisory lock that every transaction that appends holds, so that its end can be awaited.
    pub instance: i64,
}

impl SqlConnection for PostgresConnection {
    type Row = PgRow;

    /// A lock that writers share; only deleting the app waits for it.
    const LOCK_APP: &'static str = "SELECT id FROM apps WHERE ident = $1 FOR KEY SHARE";
    const LIST_DUE: &'static str = due::LIST;
    const PUT_DUE: &'static str = due::PUT;

    async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> StorageResult<u64> {
        let done = sqlx::query_with(sql, bind(args)?)
            .execute(&mut self.raw)
            .await;
        done.map(|done| done.rows_affected()).map_err(classify)
    }

    async fn rows(&mut self, sql: &'static str, args: &[Arg<'_>]) -> StorageResult<Vec<PgRow>> {
        sqlx::query_with(sql, bind(args)?)
            .fetch_all(&mut self.raw)
            .await
            .map_err(classify)
    }

    async fn take_rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        mut take: impl FnMut(&PgRow) -> StorageResult<bool> + Send,
    ) -> StorageResult<()> {
        let mut rows = sqlx::query_with(sql, bind(args)?).fetch(&mut self.raw);
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
    ) -> StorageResult<Vec<PgRow>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let columns = bind_arrays(&statement.column_types, rows)?;
        sqlx::query_with(statement.column_arrays.as_str(), columns)
            .fetch_all(&mut self.raw)
            .await
            .map_err(classify)
    }

    async fn claim_serials(
        &mut self,
        requests: &[SerialRequest<'_>],
    ) -> StorageResult<Vec<Option<SerialClaim>>> {
        append::claim_serials(&mut self.raw, self.instance, requests).await
    }

    async fn insert_events(&mut self, events: &[&EventRow<'_>]) -> StorageResult<Vec<i64>> {
        append::insert_events(&mut self.raw, events).await
    }

    async fn allocate_ids(&mut self, _app: i64, count: i64) -> StorageResult<Vec<i64>> {
        let rows = self.rows(ALLOCATE_IDS, &[Arg::Int(count)]).await?;
        let mut ids = rows
            .iter()
            .map(|row| row.int(0))
            .collect::<StorageResult<Vec<_>>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    async fn advance_ids(&mut self, _app: i64, id: i64) -> StorageResult<()> {
        self.rows(ADVANCE_IDS, &[Arg::Int(id)]).await.map(drop)
    }
    async fn claim_batched(
        &mut self,
        app: i64,
        holder: &str,
        until: i64,
        limit: i64,
    ) -> StorageResult<Vec<PgRow>> {
        due::claim(self, app, holder, until, limit).await
    }
}
