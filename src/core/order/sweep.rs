//! Letting go of channels that nobody is on any more.

use std::time::Duration;

use super::Resequencer;
use crate::core::ports::BusHealth;

/// How often channels are looked over. A channel is let go at the second look that finds nobody, so that who reloads a
/// page finds it still watched.
const ROUND: Duration = Duration::from_secs(1);

/// A channel that nobody watches by its own name is forgotten after so many looks without an event.
const FORGOTTEN: u32 = 60;

impl Resequencer {
    pub(super) async fn sweep(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.sweep_once();
        }
    }

    /// One look at all channels.
    fn sweep_once(&self) {
        if self.bus.health() != BusHealth::Down {
            *self.heard_until.lock() = self.clock.now();
        }
        let Some(sink) = self.sink() else { return };
        self.shards.retain(|app, channel, track| {
            track.quiet += 1;
            // One that follows from another channel is remembered while it is used: there can be very many.
            if sink.wants(app, channel) && (track.watched || track.quiet < FORGOTTEN) {
                track.idle = false;
                return true;
            }
            if !track.idle {
                track.idle = true;
                return true;
            }
            if track.watched {
                self.bus.unwatch(app, channel);
            }
            false
        });
    }
}
