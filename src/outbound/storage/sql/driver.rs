//! What a database's driver must do for the adapter.

use std::borrow::Cow;
use std::future::Future;

use futures_util::future::BoxFuture;

use super::events::{Claimed, Placed, Wanted};
use super::rows::Bulk;
use crate::core::error::StorageError;

/// The result of every step.
pub(super) type Outcome<T> = Result<T, StorageError>;

/// A value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// A text or nothing.
    MaybeText(Option<&'a str>),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Arg<'a> {
    /// A whole number, where it is one.
    pub fn int(self) -> Option<i64> {
        if let Self::Int(number) = self {
            Some(number)
        } else {
            None
        }
    }

    /// A text, where it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::MaybeText(text) => text,
            Self::Int(_) | Self::Bytes(_) => None,
        }
    }
}

/// A row that a statement answered. A column that is not what it should be is `Corrupt`.
pub(super) trait Row {
    /// A whole number.
    fn int(&self, column: usize) -> Outcome<i64>;
    /// A whole number or nothing.
    fn maybe_int(&self, column: usize) -> Outcome<Option<i64>>;
    /// A text.
    fn text(&self, column: usize) -> Outcome<Cow<'_, str>>;
    /// A text or nothing.
    fn maybe_text(&self, column: usize) -> Outcome<Option<Cow<'_, str>>>;
}

/// A connection that runs one statement after the other. A value that must be unique and is not is `Conflict`.
pub(super) trait Connection: Send + 'static {
    /// How it answers rows.
    type Row: Row + Send;

    /// The number of the app with the ident `$1`, which then stays there until the transaction ends.
    const HOLD_APP: &'static str;

    /// Runs a statement; answers how many rows it changed.
    fn execute(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = Outcome<u64>> + Send;

    /// Runs a statement; answers its rows.
    fn rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = Outcome<Vec<Self::Row>>> + Send;

    /// Runs a statement over all `rows`; answers the rows that it returns.
    fn bulk<const N: usize>(
        &mut self,
        statement: &'static Bulk<N>,
        rows: &[[Arg<'_>; N]],
    ) -> impl Future<Output = Outcome<Vec<Self::Row>>> + Send;

    /// Claims serials in channels, as many as are wanted of each; `None` where the app is not there. Channels that are not
    /// there are made. What is wanted comes in order, and is held in that order until the transaction ends: no two
    /// transactions wait for each other in a ring.
    fn claim(
        &mut self,
        wanted: &[Wanted<'_>],
    ) -> impl Future<Output = Outcome<Vec<Option<Claimed>>>> + Send;

    /// Stores events in order under numbers of their apps, above every one taken before by a transaction that has ended, and
    /// writes down which is the newest of each channel. Answers the numbers; `Conflict("mid")` where one of the
    /// events is there already.
    fn put(&mut self, events: &[&Placed<'_>]) -> impl Future<Output = Outcome<Vec<i64>>> + Send;

    /// Takes `count` numbers of the app, ascending, above every one taken before by a transaction that has ended.
    fn take_ids(&mut self, app: i64, count: i64) -> impl Future<Output = Outcome<Vec<i64>>> + Send;

    /// Sees to it that the numbers that are taken of the app from now on are above `id`.
    fn reach_id(&mut self, app: i64, id: i64) -> impl Future<Output = Outcome<()>> + Send;

    /// Runs a statement that answers one row at most.
    fn row(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = Outcome<Option<Self::Row>>> + Send {
        async move { Ok(self.rows(sql, args).await?.pop()) }
    }
}

/// A database: hands out connections, ends every call within its time-out.
pub(super) trait Driver: Send + Sync + 'static {
    /// Its connections.
    type Connection: Connection;

    /// Runs `work` in one transaction, committed where it answers `Ok`, else rolled back. It goes on to its end also
    /// where the caller has given up; work that has not begun by then never does.
    fn write<T, F>(&self, work: F) -> impl Future<Output = Outcome<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, Outcome<T>> + Send + 'static;

    /// Runs `work` that only reads.
    fn read<T, F>(&self, work: F) -> impl Future<Output = Outcome<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, Outcome<T>> + Send + 'static;

    /// Runs `work` that only reads, after every `write` that this instance began earlier, and that claims serials, has ended
    /// for good.
    fn read_settled<T, F>(&self, work: F) -> impl Future<Output = Outcome<T>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Connection) -> BoxFuture<'c, Outcome<T>> + Send + 'static;

    /// Ends what is under way and closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
