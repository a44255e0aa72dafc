//! Publishes whose notification targets are to be notified, and the log of notifications.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, DueMark, DuePublish, LoggedNotification, NotificationFilter, OutboxEvent, Timestamp,
};

/// The stored events that [`EventStore::append_due`](super::EventStore::append_due) marked as due, until their targets are in
/// the outbox.
#[async_trait]
pub trait DuePublishes: Send + Sync {
    /// Claims events of at most `apps` apps, none of them in the first part of `turn`, those that follow its second part first, so that all get their turn: of each app the oldest ones that are not claimed, or only
    /// until `now`, at most `events`. Those of one app follow one another. `holder` has the claim until `until`. An event that was removed since is not due any more.
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        turn: (&[AppIdent], Option<&AppIdent>),
        apps: usize,
        events: usize,
    ) -> Result<Vec<DuePublish>, StorageError>;

    /// Records how far the claimed event has come, and extends the claim.
    async fn advance_due(
        &self,
        due: &DuePublish,
        cursor: Option<&str>,
        until: Timestamp,
    ) -> Result<(), StorageError>;

    /// The events are not due any more.
    async fn finish_due(&self, due: &[DuePublish]) -> Result<(), StorageError>;

    /// Releases all claims of a holder.
    async fn release_due(&self, holder: &str) -> Result<(), StorageError>;

    /// The events of an app that are due, with a number above `after`, ordered by it, at most `limit`.
    async fn list_due(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DueMark>, StorageError>;

    /// Marks stored events as due; those that are marked stay as they are.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    async fn put_due(&self, app: &AppIdent, due: &[DueMark]) -> Result<(), StorageError>;
}

/// The log of notifications, which [`Outbox::settle`](super::Outbox::settle) writes.
#[async_trait]
pub trait NotificationLog: Send + Sync {
    /// The notifications of an app that match the filter: those that wait, newest first, and then the others, newest first. At
    /// most `limit`.
    async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> Result<Vec<LoggedNotification>, StorageError>;

    /// The notifications of an app that wait, with their numbers: those with a number above `after`, ordered by it, at most
    /// `limit`. [`Outbox::put`](super::Outbox::put) writes them to another store.
    async fn waiting_notifications(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, OutboxEvent)>, StorageError>;

    /// Whether a notification of this publish waits for the address, or is in the log.
    async fn is_known(
        &self,
        app: &AppIdent,
        address: &str,
        publish: &str,
    ) -> Result<bool, StorageError>;

    /// Makes the queue of an address due at `now`, unless it is claimed; whether there is such a queue.
    async fn hasten(
        &self,
        app: &AppIdent,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StorageError>;
}
