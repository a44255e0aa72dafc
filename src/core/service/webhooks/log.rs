//! What became of what webhooks were to be told, for those who ask.

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Delivery, Waiting};
use crate::core::service::Service;

/// What an app's webhooks wait for, and what they were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookLog {
    /// Addresses with notices that wait.
    pub waiting: Vec<Waiting>,
    /// Deliveries, newest first.
    pub deliveries: Vec<Delivery>,
}

impl Service {
    /// What waits for an app's webhooks, and its newest deliveries, those with an id below `before` (`None`: no bound), at most
    /// `limit`.
    pub async fn webhook_log(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<WebhookLog, StorageError> {
        let waiting = self.ports.stores.deliveries.waiting(app).await?;
        Ok(WebhookLog {
            waiting,
            deliveries: self
                .ports
                .stores
                .deliveries
                .deliveries(app, before, limit)
                .await?,
        })
    }

    /// Tells what was given up once more; answers how many notices wait again. `NotFound`: there is no such delivery, or it was
    /// not given up.
    pub async fn replay_webhook(&self, app: &AppIdent, delivery: u64) -> Result<u64, StorageError> {
        let count = self
            .ports
            .stores
            .deliveries
            .replay(app, delivery, self.ports.clock.now())
            .await?;
        self.hooks.put.notify_one();
        Ok(count)
    }
}
