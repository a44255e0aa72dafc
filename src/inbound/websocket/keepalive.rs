//! One timer for all connections: pings silent clients and closes idle ones.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;
use crate::core::ports::DialectId;

/// The number of seconds in which a ping must be answered.
const PONG_TIMEOUT: u32 = 30;

/// The number of seconds after which a stream over plain HTTP is sent a comment.
const COMMENT_INTERVAL: u32 = 15;

impl Gateway {
    /// Checks all connections every second, until `stop` completes.
    pub async fn keep_alive(&self, stop: impl Future<Output = ()>) {
        let activity = self.activity_timeout();
        let idle = u32::try_from(self.timing.idle.as_secs()).unwrap_or(u32::MAX);
        let ticks = async {
            let mut seconds = interval(Duration::from_secs(1));
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                seconds.tick().await;
                for mailbox in self.service.hub().mailboxes() {
                    let (activity, grace) = match mailbox.dialect() {
                        // The client of a stream cannot answer.
                        DialectId::Stream => (COMMENT_INTERVAL, u32::MAX),
                        DialectId::Pushi | DialectId::Pusher => (activity, PONG_TIMEOUT),
                    };
                    mailbox.tick(activity, grace, idle);
                }
                self.service.send_due_counts().await;
            }
        };
        tokio::select! {
            biased;
            () = ticks => {}
            () = stop => {}
        }
    }
}
