//! Webhooks: events of channels, sent to an app's back end by HTTP.
//!
//! The steps of one event:
//!
//! 1. A use case records it ([`WebhookQueue`]'s `record…` methods): an [`OutboxEvent`](crate::core::model::OutboxEvent) in
//!    memory, only where one of the app's webhooks receives it. No use case waits for this.
//! 2. A departure (`member_removed`, `channel_vacated`) first waits three seconds in [`grace_period`] and is dropped where
//!    the user is back.
//! 3. [`WebhookQueue::run`] writes it to the outbox, many with one commit. The outbox skips an arrival or departure that
//!    it has stored before; it is now a [`QueuedEvent`](crate::core::model::QueuedEvent) for each address.
//! 4. [`OutboxSender::run`] claims the address (a [`Claim`](crate::core::model::Claim)) and sends its oldest events as one
//!    request: an [`Attempt`](crate::core::model::Attempt).
//! 5. It settles the attempt: delivered, to be retried after a pause, or given up. The delivery log keeps the result, and
//!    events that were given up can be replayed from it.
//! 6. [`Reconciler::run`] records missed changes, for example after a node was killed.

mod address_lists;
mod backoff;
mod enqueue;
mod filter;
mod grace_period;
mod log;
mod losses;
mod outbox_space;
mod queue;
mod reconcile;
mod sender;

use std::time::Duration;

pub(in crate::core::service) use self::backoff::pause;
pub use self::log::WebhookLog;
pub(in crate::core::service) use self::outbox_space::OutboxSpace;
pub use self::queue::WebhookQueue;
pub use self::reconcile::Reconciler;
pub use self::sender::OutboxSender;

/// The configuration of webhooks.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRules {
    /// The timeout of one attempt; a second one, signed with the secret before the last rotation, may follow it.
    pub timeout: Duration,
    /// For how long an event is retried; zero: no retries.
    pub retry: Duration,
    /// No other node uses the store.
    pub single_node: bool,
}

impl Default for WebhookRules {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            retry: Duration::from_secs(24 * 3600),
            single_node: true,
        }
    }
}
