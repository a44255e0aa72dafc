//! What moving to another store needs, beside the other storage ports.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, Interval, Target, TargetKind, UserId,
    UserSubscription,
};

/// Reads all that an app has, page by page, and writes what another store held as it was there: with its numbers, serials and
/// times. What it writes is there after a crash, and can be written again: what is there already stays.
///
/// It is for moving, while nobody else writes to the app. Apps themselves and open subscriptions are read by the other ports.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Channels that ever held an event, with their heads: those behind `after` in the order of their names by code point, at
    /// most `limit`.
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError>;

    /// Events with a number above `after`, in the order of their numbers, at most `limit`.
    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError>;

    /// Raises heads to those given and to the serials of the events, where these are higher, and stores the events, which come
    /// in the order of their numbers: where the store dies meanwhile, the first of them are there. New events get higher serials,
    /// and higher numbers. `NotFound` where the app is not there; `Conflict("serial")` or `Conflict("mid")` where another event
    /// has the place or the id: then some may have been stored.
    async fn put_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Result<(), StorageError>;

    /// What ended subscriptions keep in inboxes, of the first `limit` users who have any and come behind `after` in the order of
    /// their ids by code point: user by user, none empty, none overlapping another. Nothing where no such user is left.
    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Interval>, StorageError>;

    /// Stores open subscriptions with their numbers and beginnings, and intervals of ended ones. New subscriptions get higher
    /// numbers. `NotFound` where the app is not there.
    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[Interval],
    ) -> Result<(), StorageError>;

    /// The last events of cache channels, those of channels behind `after` in the order of their names by code point, at most
    /// `limit`; also where they have expired. [`CacheStore::keep`](super::CacheStore::keep) writes them.
    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError>;

    /// Targets of one kind with a number above `after`, in the order of their numbers, at most `limit`.
    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Target>, StorageError>;

    /// Stores targets with their numbers. `NotFound` where the app is not there.
    async fn put_targets(&self, app: &AppIdent, targets: &[Target]) -> Result<(), StorageError>;
}
