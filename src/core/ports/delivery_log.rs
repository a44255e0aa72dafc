//! The log of webhook deliveries.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Delivery, LostEvents, QueuedAddress, Timestamp};

/// The log of webhook deliveries, which [`Outbox::settle`](super::Outbox::settle) writes.
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// The app's webhooks with queued events, ordered by address (code points).
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<QueuedAddress>, StorageError>;

    /// The deliveries to the app's webhooks with an id below `before` (`None`: no bound), newest first, at most `limit`.
    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StorageError>;

    /// Logs events that were lost, as deliveries that were given up without an attempt. There is nothing to replay. Those of an
    /// unknown app are skipped.
    ///
    /// # Errors
    /// After an error some may have been logged.
    async fn log_lost(&self, lost: &[LostEvents]) -> Result<(), StorageError>;

    /// Appends the events of a delivery that was given up to the queue of their address, in their order, as queued at `now`;
    /// the address is due at once. Returns how many; 0 where they were replayed before.
    ///
    /// # Errors
    /// `NotFound` where there is no such delivery, or it was not given up.
    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError>;

    /// Removes deliveries of all apps that ended before `delivered`, and those that were given up before `given_up` with their
    /// events, at most `limit` deliveries at a call; returns how many.
    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> Result<u64, StorageError>;
}
