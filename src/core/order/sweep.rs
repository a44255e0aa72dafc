//! Unwatching channels that have no local subscriber.

use std::time::Duration;

use super::Resequencer;
use crate::core::ports::BusHealth;

/// The time between sweeps. A channel is unwatched by the second sweep that finds no subscriber, so
/// that a client that reloads its page finds it still watched.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The sweeps without an event after which a channel that is not watched by its own name is dropped.
const MAX_IDLE_SWEEPS: u32 = 60;

impl Resequencer {
    pub(super) async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.sweep_once();
        }
    }

    fn sweep_once(&self) {
        if self.bus.health() != BusHealth::Down {
            *self.complete_until.lock() = self.clock.now();
        }
        let Some(sink) = self.sink() else { return };
        self.shards.retain(|app, channel, sequence| {
            sequence.idle_sweeps += 1;
            // There can be very many peer channels: one is kept only while it has events.
            let is_used = sequence.watched.is_some() || sequence.idle_sweeps < MAX_IDLE_SWEEPS;
            if is_used && sink.wants(app, channel) {
                sequence.unwanted = false;
                return true;
            }
            if !sequence.unwanted {
                sequence.unwanted = true;
                return true;
            }
            if sequence.watched.is_some() {
                self.bus.unwatch(app, channel);
            }
            false
        });
    }
}
