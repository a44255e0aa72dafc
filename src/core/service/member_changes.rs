//! Announcing the joins and leaves of large presence channels in batches.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::core::hub::Hub;

/// The batching window. Joins are answered meanwhile.
const WINDOW: Duration = Duration::from_millis(10);

/// The batching window added per recipient, about the cost of one write, so that announcing joins cannot starve joins.
const WINDOW_PER_RECIPIENT: Duration = Duration::from_micros(5);

/// The longest batching window.
const MAX_WINDOW: Duration = Duration::from_millis(100);

/// Announces the member changes that the hub has batched.
pub struct MemberChangeAnnouncer {
    hub: Arc<Hub>,
}

impl MemberChangeAnnouncer {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Sends each batch to the subscribers at the end of its window, until `stop` ends.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut not_before = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = async {
                    poll_fn(|cx| self.hub.poll_member_changes(cx)).await;
                    sleep_until(not_before.max(Instant::now() + WINDOW)).await;
                } => {
                    let recipients = u32::try_from(self.hub.flush_member_changes()).unwrap_or(u32::MAX);
                    let pause = WINDOW_PER_RECIPIENT.saturating_mul(recipients).min(MAX_WINDOW);
                    not_before = Instant::now() + pause;
                }
            }
        }
        self.hub.flush_member_changes();
    }
}
