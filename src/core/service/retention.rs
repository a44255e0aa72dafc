//! How long events and sessions are kept.

use std::time::Duration;

use super::Service;
use crate::core::model::Timestamp;
use crate::core::ports::Pruning;

/// How often what is too old is looked for.
const ROUND: Duration = Duration::from_secs(60);

/// Events removed at a call, so that publishers wait no longer than for a large batch.
const BATCH: usize = 1000;

/// How long the delivery log tells of what was delivered, and keeps what was given up.
const DELIVERED_KEPT: Duration = Duration::from_secs(24 * 3600);
const GIVEN_UP_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Service {
    /// Removes what need not be kept any more, about once a minute, until `stop` ends.
    pub async fn retain(&self, stop: impl Future<Output = ()>) {
        let rounds = async {
            loop {
                self.retain_once().await;
                tokio::time::sleep(ROUND).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = stop => {}
        }
    }

    /// One round of it. What the store cannot do now is done at the next round.
    async fn retain_once(&self) {
        let now = self.ports.clock.now();
        if let Err(error) = self.ports.stores.sessions.prune(now).await {
            tracing::warn!(error = error.chain(), "expired sessions were not removed");
        }
        if let Err(error) = self.ports.stores.cache.prune(now).await {
            tracing::warn!(
                error = error.chain(),
                "expired events of cache channels were not removed"
            );
        }
        self.retain_deliveries(now).await;
        let pruning = Pruning {
            before: self.rules.retention.map(|age| now.minus(age)),
            keep: self.rules.retention_events,
        };
        if pruning == Pruning::default() {
            return;
        }
        loop {
            match self.ports.stores.events.prune(pruning, BATCH).await {
                Ok(removed) if removed < BATCH as u64 => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = error.chain(), "old events were not removed");
                    return;
                }
            }
        }
    }

    /// The same for the delivery log.
    async fn retain_deliveries(&self, now: Timestamp) {
        let (delivered, given_up) = (now.minus(DELIVERED_KEPT), now.minus(GIVEN_UP_KEPT));
        loop {
            match self
                .ports
                .stores
                .deliveries
                .prune(delivered, given_up, BATCH)
                .await
            {
                Ok(removed) if removed < BATCH as u64 => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        error = error.chain(),
                        "old deliveries to webhooks were not removed"
                    );
                    return;
                }
            }
        }
    }
}
