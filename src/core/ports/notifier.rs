//! Telling a webhook.

use async_trait::async_trait;

use crate::core::model::{App, Attempt, QueuedEvent};

/// Tells webhooks what happened; retrying is the caller's work.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// One attempt to tell an address of an app some notices (at least one), in their order, as one message. It ends within
    /// twice the time-out that the adapter was built with. An address that the adapter must not reach is a problem, too.
    async fn tell(&self, app: &App, address: &str, notices: &[QueuedEvent]) -> Attempt;
}
