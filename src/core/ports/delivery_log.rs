//! What became of what webhooks were to be told.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Delivery, Timestamp, Waiting};

/// What became of what webhooks were to be told; [`Outbox::settle`](super::Outbox::settle) writes it.
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// The app's addresses with notices that wait, in their order (by code point).
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<Waiting>, StorageError>;

    /// The app's deliveries with an id below `before` (`None`: no bound), newest first, at most `limit`.
    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StorageError>;

    /// Puts the notices of a delivery that was given up into their address's queue again, in their order and behind what waits
    /// there, as waiting since `now`; the address is due at once. Answers how many; 0 where they were replayed before.
    /// `NotFound` where there is no such delivery, or it was not given up.
    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError>;

    /// Removes deliveries that ended before `delivered`, those given up before `given_up`, with the notices that they keep, of
    /// all apps, at most `limit` deliveries at a call; answers how many.
    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> Result<u64, StorageError>;
}
