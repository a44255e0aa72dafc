//! Where persisted events are kept.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, Mid, NewEvent, Position, Timestamp, UserId,
};

/// What [`EventStore::prune`] removes; a bound that is `None` removes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Events published before this time.
    pub before: Option<Timestamp>,
    /// In each channel, all but the newest so many: serials up to its head less this number.
    pub keep: Option<u64>,
}

/// Where persisted events are kept.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores the events in the order given and answers one result for each, in that order. An event with an `Ok` is
    /// durable: it is there after a crash of this process and of the store's. Serials are contiguous from 1 in each
    /// channel of an app, without a gap and without a double, also with several store instances appending at
    /// once; `id` is unique in the app and grows with the serial within a channel. An event with an error was not
    /// stored, or (`Unavailable`) perhaps: ask [`EventStore::positions`]. An event whose app is not there is `NotFound`;
    /// of the others, on SQL, all succeed or none. The caller never gives a `mid` twice; a `mid` that is there already
    /// is `Conflict("mid")`.
    async fn append(&self, events: &[NewEvent]) -> Vec<Result<Position, StorageError>>;

    /// Where the events with these ids stand, one answer for each in order; `None`: not stored. It is judged after
    /// every append that this instance began earlier has ended for good, so a `None` stays one.
    async fn positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Result<Vec<Option<Position>>, StorageError>;

    /// The newest serial of each of the channels, in order; 0 where nothing was ever stored. A head outlives its
    /// pruned events.
    async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError>;

    /// Events of one channel with a serial below `before` (`None`: no bound), newest first, at most `limit`.
    async fn history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError>;

    /// Events of one channel with a serial in (`after`, `upto`], oldest first, at most `limit`. Pruned ones are missing.
    async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError>;

    /// The app's newest events over all channels, newest first by `id`, at most `limit`.
    async fn recent(&self, app: &AppIdent, limit: usize) -> Result<Vec<Event>, StorageError>;

    /// A user's inbox, newest first by `id`, after skipping `skip`, at most `limit`: the events of each channel that
    /// the user is or was subscribed to (ended subscriptions included), from the serial at which a subscription
    /// began (not included) to the one at which it ended (included), each event once; and everything on
    /// `personal-<user>`.
    async fn inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError>;

    /// Removes what `pruning` says, of all apps, at most `limit` events at a call; answers how many it removed
    /// (fewer than `limit`: nothing is left to remove). Heads stay: no serial ever comes twice.
    async fn prune(&self, pruning: Pruning, limit: usize) -> Result<u64, StorageError>;
}
