//! One timer for all connections: who has been silent, who is idle.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;

/// How long a ping may stay unanswered, in seconds.
const GRACE: u32 = 30;

impl Gateway {
    /// Looks after silent and idle connections every second, until `stop` ends.
    pub async fn keep_alive(&self, stop: impl Future<Output = ()>) {
        let activity = self.activity();
        let idle = u32::try_from(self.timing.idle.as_secs()).unwrap_or(u32::MAX);
        let rounds = async {
            let mut seconds = interval(Duration::from_secs(1));
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                seconds.tick().await;
                for mailbox in self.service.hub().mailboxes() {
                    mailbox.tick(activity, GRACE, idle);
                }
                self.service.send_due_counts().await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = stop => {}
        }
    }
}
