//! The interface between the adapter and a database driver.

use std::future::Future;

use futures_util::future::BoxFuture;

use super::event_row::{EventRow, SerialClaim, SerialRequest};
use super::statement::BulkInsert;
use super::value::{Arg, SqlRow};
use crate::outbound::storage::StorageResult;

/// A connection that runs one statement at a time. A violated unique constraint is `Conflict`.
pub(super) trait SqlConnection: Send + 'static {
    /// The driver's row type.
    type Row: SqlRow + Send;

    /// Selects the primary key of the app with the ident `$1`, and keeps the app from being deleted until the
    /// transaction ends.
    const LOCK_APP: &'static str;

    /// Selects the due events of the app with the ident `$1` above the number `$2`, in order, at most `$3`: number, publish, and
    /// cursor.
    const LIST_DUE: &'static str;

    /// Marks the event `$2` of the app `$1` as due, with the publish `$3` and the cursor `$4`, unless it is marked or in a batch.
    const PUT_DUE: &'static str;

    /// Runs a statement and returns the number of rows that it changed.
    fn execute(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = StorageResult<u64>> + Send;

    /// Runs a statement and returns its rows.
    fn rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = StorageResult<Vec<Self::Row>>> + Send;

    /// Runs a statement and passes its rows to `take` until that returns `false`; the others are not kept.
    fn take_rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        take: impl FnMut(&Self::Row) -> StorageResult<bool> + Send,
    ) -> impl Future<Output = StorageResult<()>> + Send;

    /// Inserts all `rows` and returns the rows of the statement's `RETURNING` clause.
    fn bulk_insert<const N: usize>(
        &mut self,
        statement: &'static BulkInsert<N>,
        rows: &[[Arg<'_>; N]],
    ) -> impl Future<Output = StorageResult<Vec<Self::Row>>> + Send;

    /// Claims serials in channels and creates channels that do not exist; `None` where the app does not exist. Requests
    /// are sorted, and their rows are locked in that order until the transaction ends, so that two transactions cannot
    /// deadlock.
    fn claim_serials(
        &mut self,
        requests: &[SerialRequest<'_>],
    ) -> impl Future<Output = StorageResult<Vec<Option<SerialClaim>>>> + Send;

    /// Inserts events in order, records the newest event of each channel, and marks what is due. Returns their ids, each above every id of
    /// the app that an ended transaction has allocated; `Conflict("mid")` if one of the events is stored already.
    fn insert_events(
        &mut self,
        events: &[&EventRow<'_>],
    ) -> impl Future<Output = StorageResult<Vec<i64>>> + Send;

    /// Allocates `count` ids of the app, ascending, each above every id that an ended transaction has allocated.
    fn allocate_ids(
        &mut self,
        app: i64,
        count: i64,
    ) -> impl Future<Output = StorageResult<Vec<i64>>> + Send;

    /// Makes every id of the app that is allocated from now on greater than `id`.
    fn advance_ids(&mut self, app: i64, id: i64) -> impl Future<Output = StorageResult<()>> + Send;

    /// Moves the first due events in batches of an app to `due_publishes`, claimed by `holder` until `until`, at most `limit`.
    /// Returns number, publish, and cursor of each.
    fn claim_batched(
        &mut self,
        app: i64,
        holder: &str,
        until: i64,
        limit: i64,
    ) -> impl Future<Output = StorageResult<Vec<Self::Row>>> + Send;

    /// Runs a statement that returns at most one row.
    fn row(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = StorageResult<Option<Self::Row>>> + Send {
        async move { Ok(self.rows(sql, args).await?.pop()) }
    }
}

/// An open database: provides connections and ends every call within its time-out.
pub(super) trait Driver: Send + Sync + 'static {
    type Connection: SqlConnection;

    /// Runs `work` in one transaction, which commits on `Ok` and rolls back otherwise. Once begun it runs to its end
    /// even if the caller drops the future; if it has not begun by then, it never does.
    fn write<T, F>(&self, work: F) -> impl Future<Output = StorageResult<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static;

    /// Runs `work` that only reads.
    fn read<T, F>(&self, work: F) -> impl Future<Output = StorageResult<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static;

    /// Runs `work` that only reads, after every earlier `write` of this instance that claims serials has either
    /// committed or can no longer commit.
    fn read_settled<T, F>(&self, work: F) -> impl Future<Output = StorageResult<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, StorageResult<T>>
            + Send
            + 'static;

    /// Waits until another program may have inserted rows into `pushi_publish`, at most for the polling interval.
    fn inserted(&self) -> impl Future<Output = ()> + Send;

    /// Waits for running calls and closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
