//! The deadline of a stop, and the closes spread over the drain time.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::core::hub::{CloseReason, Hub};

/// When the steps of a stop end, whatever clients, the store, Redis and the receivers of webhooks do. A step ends earlier
/// where nothing is left to do. The last one ends 820 ms after the drain time (`PUSHI_DRAIN_SECONDS`), so that the process
/// ends within the drain time and one second.
///
/// What is cut off had not been acknowledged, or is stored and is continued by the next start or by another node.
#[derive(Debug, Clone, Copy)]
pub(super) struct StopDeadline {
    drained: Instant,
}

impl StopDeadline {
    /// How long after the drain time clients may take their last bytes: answers, responses, close frames.
    pub(super) const LAST_BYTES: Duration = Duration::from_millis(400);

    /// The deadline of a stop that begins now.
    pub(super) fn begin(drain: Duration) -> Self {
        Self {
            drained: Instant::now() + drain,
        }
    }

    /// The end of the drain time: no webhook request begins after it.
    pub(super) fn drained(self) -> Instant {
        self.drained
    }

    /// Connections are dropped.
    pub(super) fn last_bytes(self) -> Instant {
        self.drained + Self::LAST_BYTES
    }

    /// Sessions that still wait for the store are no longer awaited.
    pub(super) fn sessions(self) -> Instant {
        self.drained + Duration::from_millis(450)
    }

    /// The tasks that write to the store, and the sender of webhooks.
    pub(super) fn tasks(self) -> Instant {
        self.drained + Duration::from_millis(650)
    }

    /// The last messages on the bus.
    pub(super) fn bus(self) -> Instant {
        self.drained + Duration::from_millis(750)
    }

    /// The connections to the store.
    pub(super) fn store(self) -> Instant {
        self.drained + Duration::from_millis(820)
    }
}

/// Closes the connections spread over the drain time, so that their clients do not all reconnect at once.
pub(super) async fn close_sessions(hub: &Hub, drain: Duration) {
    let mailboxes = hub.mailboxes();
    let begun = Instant::now();
    let count = u32::try_from(mailboxes.len()).unwrap_or(u32::MAX).max(1);
    for (index, mailbox) in mailboxes.iter().enumerate() {
        let share = drain / count * u32::try_from(index).unwrap_or(u32::MAX);
        sleep_until(begun + share).await;
        mailbox.close(CloseReason::Stopping);
    }
    // Connections that were opened after the list was read.
    for mailbox in hub.mailboxes() {
        mailbox.close(CloseReason::Stopping);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_steps_follow_one_another_within_a_second_after_the_drain_time() {
        for drain in [Duration::ZERO, Duration::from_secs(60)] {
            let (begun, deadline) = (Instant::now(), StopDeadline::begin(drain));
            let ends = [
                begun + drain,
                deadline.drained(),
                deadline.last_bytes(),
                deadline.sessions(),
                deadline.tasks(),
                deadline.bus(),
                deadline.store(),
                begun + drain + Duration::from_millis(900),
            ];
            assert!(ends.is_sorted(), "{ends:?}");
        }
    }
}
