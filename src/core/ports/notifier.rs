//! Sending webhook requests.

use async_trait::async_trait;

use crate::core::model::{App, Attempt, QueuedEvent};

/// Sends webhook requests; retries are up to the caller.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Makes one attempt to send events (at least one) to an address of an app, in their order, as one request. Ends within
    /// twice the timeout that the adapter was built with. An address that the adapter must not connect to is reported as the
    /// attempt's problem.
    async fn send(&self, app: &App, address: &str, events: &[QueuedEvent]) -> Attempt;
}
