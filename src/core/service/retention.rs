//! Removing expired data.

use std::sync::Arc;
use std::time::Duration;

use crate::core::error::StorageError;
use crate::core::model::Timestamp;
use crate::core::ports::{Clock, Pruning, Stores};

/// The pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);

/// The rows removed by one call, so that publishers wait no longer than for a large append.
const BATCH: usize = 1000;

/// How long the delivery log keeps deliveries, and those that were given up.
const DELIVERED_KEPT: Duration = Duration::from_secs(24 * 3600);
const GIVEN_UP_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long rows that could not be published are kept.
const REJECTED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes expired sessions, cached events and deliveries, and events above the configured age or number.
pub struct Retention {
    stores: Stores,
    clock: Arc<dyn Clock>,
    /// The age up to which events are kept; `None`: without limit.
    max_age: Option<Duration>,
    /// The events that each channel keeps; `None`: all.
    max_events: Option<u64>,
}

impl Retention {
    pub(super) fn new(
        stores: Stores,
        clock: Arc<dyn Clock>,
        max_age: Option<Duration>,
        max_events: Option<u64>,
    ) -> Self {
        Self {
            stores,
            clock,
            max_age,
            max_events,
        }
    }

    /// Does a round about once a minute, until `stop` ends.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let rounds = async {
            loop {
                self.prune().await;
                tokio::time::sleep(INTERVAL).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = stop => {}
        }
    }

    /// One round. A failed removal is repeated in the next one.
    async fn prune(&self) {
        let now = self.clock.now();
        if let Err(error) = self.stores.sessions.prune(now).await {
            tracing::warn!(error = error.chain(), "expired sessions not removed");
        }
        if let Err(error) = self.stores.cache.prune(now).await {
            tracing::warn!(error = error.chain(), "expired cached events not removed");
        }
        if let Err(error) = self.prune_deliveries(now).await {
            tracing::warn!(error = error.chain(), "old webhook deliveries not removed");
        }
        if let Err(error) = self.prune_rejected_rows(now).await {
            tracing::warn!(
                error = error.chain(),
                "old rows of pushi_publish_failed not removed"
            );
        }
        if let Err(error) = self.prune_events(now).await {
            tracing::warn!(error = error.chain(), "old events not removed");
        }
    }

    async fn prune_deliveries(&self, now: Timestamp) -> Result<(), StorageError> {
        let (delivered, given_up) = (now.minus(DELIVERED_KEPT), now.minus(GIVEN_UP_KEPT));
        let log = &self.stores.deliveries;
        while log.prune(delivered, given_up, BATCH).await? >= BATCH as u64 {}
        Ok(())
    }

    async fn prune_rejected_rows(&self, now: Timestamp) -> Result<(), StorageError> {
        let before = now.minus(REJECTED_KEPT);
        while self.stores.rows.prune_rejected(before, BATCH).await? >= BATCH as u64 {}
        Ok(())
    }

    async fn prune_events(&self, now: Timestamp) -> Result<(), StorageError> {
        let pruning = Pruning {
            before: self.max_age.map(|age| now.minus(age)),
            keep: self.max_events,
        };
        if pruning == Pruning::default() {
            return Ok(());
        }
        while self.stores.events.prune(pruning, BATCH).await? >= BATCH as u64 {}
        Ok(())
    }
}
