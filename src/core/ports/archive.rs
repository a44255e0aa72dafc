//! Bulk export and import of an app's data, for moving to another store.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, NotificationTarget, SubscriptionInterval,
    TargetKind, UserId, UserSubscription,
};

/// Reads all data of an app in pages, and writes the data of another store unchanged: with its numbers, serials and times.
/// Writes are durable and can be repeated: stored data stays unchanged.
///
/// No other process may write to the app meanwhile. Apps and open subscriptions are read by the other ports.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Channels that ever had an event, with their heads: those after `after`, ordered by name (code points), at most `limit`.
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError>;

    /// Events with a number above `after`, ordered by number, at most `limit`.
    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError>;

    /// Raises heads to those given and to the serials of the events, where these are higher, and stores the events, which are
    /// ordered by number: where the store fails meanwhile, the first of them are stored. New events get higher serials and
    /// higher numbers.
    ///
    /// # Errors
    /// `NotFound` where there is no such app; `Conflict("serial")` or `Conflict("mid")` where another event has the serial or
    /// the id: then some may have been stored.
    async fn put_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Result<(), StorageError>;

    /// The intervals of ended subscriptions, of the first `limit` users after `after` that have any, ordered by user id (code
    /// points). No interval is empty and none overlaps another. Empty where no such user is left.
    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<SubscriptionInterval>, StorageError>;

    /// Stores open subscriptions with their numbers and starts, and the intervals of ended ones. New subscriptions get higher
    /// numbers.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Result<(), StorageError>;

    /// The last events of the cache channels after `after`, ordered by name (code points), at most `limit`; expired ones, too.
    /// [`CacheStore::keep`](super::CacheStore::keep) writes them.
    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError>;

    /// Targets of one kind with a number above `after`, ordered by number, at most `limit`.
    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError>;

    /// Stores targets with their numbers.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn put_targets(
        &self,
        app: &AppIdent,
        targets: &[NotificationTarget],
    ) -> Result<(), StorageError>;
}
