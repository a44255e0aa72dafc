//! Reading the delivery log.

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Delivery, QueuedAddress};
use crate::core::service::Service;

/// The webhook deliveries of an app, pending and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookLog {
    /// The addresses with events in their queues.
    pub waiting: Vec<QueuedAddress>,
    /// Deliveries, newest first.
    pub deliveries: Vec<Delivery>,
}

impl Service {
    /// Reads the queued events of an app's webhooks, and its newest deliveries: those with an id below `before` (`None`: no
    /// bound), at most `limit`.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn webhook_log(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<WebhookLog, StorageError> {
        let log = &self.ports.stores.deliveries;
        Ok(WebhookLog {
            waiting: log.waiting(app).await?,
            deliveries: log.deliveries(app, before, limit).await?,
        })
    }

    /// Queues the events of a delivery that was given up again; returns how many.
    ///
    /// # Errors
    /// `NotFound`: there is no such delivery, or it was not given up. Fails where the store does.
    pub async fn replay_webhook(&self, app: &AppIdent, delivery: u64) -> Result<u64, StorageError> {
        let count = self
            .ports
            .stores
            .deliveries
            .replay(app, delivery, self.ports.clock.now())
            .await?;
        self.parts.webhooks.notify_sender();
        Ok(count)
    }
}
