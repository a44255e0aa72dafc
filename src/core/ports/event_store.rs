//! Storage of events.

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, Mid, NewEvent, Position, Timestamp, UserId,
};

/// The events that [`EventStore::prune`] removes; a bound that is `None` removes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Events published before this time.
    pub before: Option<Timestamp>,
    /// All but this number of the newest events of each channel: serials up to its head less this number.
    pub keep: Option<u64>,
}

/// The size of a read of events. It ends with the event that reaches one of the bounds, so that a read always has an event
/// where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// The most events; 0 reads nothing.
    pub events: usize,
    /// The bytes of the events' contents, by [`Event::size`].
    pub bytes: usize,
}

impl ReadLimit {
    /// At most this number of events, of any size: for callers whose number is small.
    pub const fn events(events: usize) -> Self {
        Self {
            events,
            bytes: usize::MAX,
        }
    }

    /// Whether the events of a read reached the bound of bytes, so that others may have been left out.
    pub fn bytes_reached(&self, events: &[Event]) -> bool {
        events.iter().map(Event::size).sum::<usize>() >= self.bytes
    }
}

/// Stores events.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores the events in the order given and returns one result for each, in that order. An event with an `Ok` is durable:
    /// it survives a crash of this process and of the store's. Serials are contiguous from 1 in each channel of an app,
    /// without gaps and duplicates, also with several store instances appending at once; `id` is unique in the app and grows
    /// with the serial within a channel. The caller never passes a `mid` twice in one call.
    ///
    /// # Errors
    /// `NotFound` for an event of an unknown app, `Conflict("mid")` for a `mid` that the app has stored already (SQL: any app);
    /// of the other events, on SQL, all succeed or none. An event with an error was not stored, except that with `Unavailable` it
    /// may be: see [`EventStore::positions`].
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>> {
        self.append_due(events, &[]).await
    }

    /// Stores events like [`EventStore::append`], and marks those as due whose targets are to be notified
    /// ([`DuePublishes`](super::DuePublishes)): `due` has for each event what its publish has in common, or `None`. A mark is as
    /// durable as its event. A shorter `due` marks the first events only.
    async fn append_due(
        &self,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> Vec<Result<Position, StorageError>>;

    /// The positions of the events with these ids, one for each, in order; `None`: not stored. They are read after every append
    /// that this instance began earlier has ended for good, so a `None` is final.
    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError>;

    /// The newest serial of each channel, in order; 0 where nothing was ever stored. A head survives the pruning of its events.
    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError>;

    /// Events of one channel with a serial below `before` (`None`: no bound), newest first, within `limit`.
    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError>;

    /// Events of one channel with a serial in (`after`, `upto`], oldest first, within `limit`. Pruned events are missing.
    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError>;

    /// The app's newest events of all channels with an `id` below `before` (`None`: no bound), newest first by `id`, within
    /// `limit`.
    async fn recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError>;

    /// A user's inbox, newest first by `id`, after skipping `skip`, within `limit`: the events of each channel that the user
    /// is or was subscribed to, from the serial at which a subscription began (exclusive) to the one at which it ended
    /// (inclusive), each event once; and all events of `personal-<user>`.
    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError>;

    /// Removes the events of all apps that `pruning` names, at most `limit` at a call; returns how many (fewer than `limit`:
    /// none is left to remove). Heads stay: no serial is ever used twice.
    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError>;
}
