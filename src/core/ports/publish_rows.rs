//! Rows that applications insert in transactions of their own, to be published.

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{Mid, NewEvent, Position, Timestamp};

/// The id of a row, unique in its store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowId(pub Arc<str>);

/// A committed row, as its application inserted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRow {
    /// Its id.
    pub id: RowId,
    /// The id that its event must have; `None`: the caller chooses one.
    pub mid: Option<Mid>,
    /// Its content.
    pub content: RowContent,
}

/// The row with the lowest id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestRow {
    /// What it names as its app.
    pub app: String,
    /// The time at which it was inserted.
    pub created: Timestamp,
}

/// The content of a row. Names and texts are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowContent {
    /// A row of an allowed size.
    Event {
        /// The name of the channel.
        channel: String,
        /// The name of the event.
        event: String,
        /// The data; `None`: NULL.
        data: Option<String>,
        /// The JSON object of further members.
        extra: Option<String>,
        /// Whether the event is stored.
        persist: bool,
    },
    /// A row with this number of bytes, above the limit; its texts were not read.
    TooLarge(u64),
    /// A row that is none, for this reason.
    Invalid(&'static str),
}

/// The size of a read of rows. It ends with the row that reaches one of the first two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLimit {
    /// The most rows.
    pub rows: usize,
    /// The bytes of the texts of all rows.
    pub bytes: usize,
    /// The bytes of the texts of one row; larger ones are [`RowContent::TooLarge`].
    pub row_bytes: usize,
}

/// A row that becomes an event.
#[derive(Debug, Clone)]
pub struct RowMove {
    /// The row.
    pub row: RowId,
    /// Its event.
    pub event: Arc<NewEvent>,
    /// Whether the event is stored.
    pub persist: bool,
    /// What its publish has in common, where targets are to be notified and the event is stored.
    pub due: Option<Arc<str>>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Its event was stored.
    Stored(Position),
    /// It was removed. Where its event was to be stored, an earlier call has done so.
    Removed,
}

/// The rows (documents) of `pushi_publish`, each of which one node makes an event.
#[async_trait]
pub trait PublishRows: Send + Sync {
    /// Waits until rows may have been inserted: for a message of the database where it sends one, and at most for the interval
    /// in which the store is polled.
    async fn inserted(&self);

    /// The row with the lowest id; `None`: there are no rows.
    async fn oldest(&self) -> Result<Option<OldestRow>, StorageError>;

    /// What rows name as their app, in order, at most `limit`: behind `after`, then from the beginning.
    async fn apps(&self, after: &str, limit: usize) -> Result<Vec<String>, StorageError>;

    /// The rows with this text as their app, in the order of their ids, within `limit`. Only committed rows are seen.
    async fn rows(&self, app: &str, limit: RowLimit) -> Result<Vec<PublishRow>, StorageError>;

    /// Removes rows and stores their events, marked as due, in the order given; returns one result for each. On SQL it is one
    /// transaction, and a row becomes an event exactly once, whoever else moves it. On MongoDB the caller must hold the lease
    /// ([`PublishRows::hold`]), and a repetition finds by their `mid` the events that are stored already.
    ///
    /// # Errors
    /// `Conflict` where a row is not there any more, `NotFound` where an app is not there: on SQL, nothing was done then.
    /// `Unavailable`: perhaps it was, see [`EventStore::positions`](super::EventStore::positions).
    async fn move_rows(&self, moves: &[RowMove]) -> Vec<Result<Moved, StorageError>>;

    /// Moves rows to `pushi_publish_failed`, with the reason of each.
    async fn reject(
        &self,
        rejected: &[(RowId, String)],
        now: Timestamp,
    ) -> Result<(), StorageError>;

    /// Takes or renews the lease of the node that moves rows; `false`: another one has it.
    async fn hold(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StorageError>;

    /// Ends the lease of this holder.
    async fn release(&self, holder: &str) -> Result<(), StorageError>;

    /// Removes rejected rows from before this time, at most `limit`; returns how many.
    async fn prune_rejected(&self, before: Timestamp, limit: usize) -> Result<u64, StorageError>;
}
