//! The publishes of one client: those in the append queue, and their rate limit.

use crate::core::limit::TokenBucket;
use crate::core::model::{ChannelName, Timestamp};

/// The publishes of one client.
#[derive(Default)]
pub(super) struct OwnPublishes {
    /// Channels with publishes in the append queue, and their number.
    in_flight: Vec<(ChannelName, usize)>,
    /// The rate limit.
    limit: Option<TokenBucket>,
}

impl OwnPublishes {
    /// The number of publishes in the append queue.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.iter().map(|(_, count)| count).sum()
    }

    /// Whether a publish on the channel is in the append queue.
    pub(super) fn is_in_flight(&self, channel: &ChannelName) -> bool {
        self.in_flight.iter().any(|(other, _)| other == channel)
    }

    /// A publish has entered the append queue.
    pub(super) fn begin(&mut self, channel: ChannelName) {
        match self
            .in_flight
            .iter_mut()
            .find(|(other, _)| *other == channel)
        {
            Some((_, count)) => *count += 1,
            None => self.in_flight.push((channel, 1)),
        }
    }

    /// A publish on the channel has left the append queue.
    pub(super) fn end(&mut self, channel: &ChannelName) {
        let index = self
            .in_flight
            .iter()
            .position(|(other, _)| other == channel);
        if let Some(index) = index
            && let Some((_, count)) = self.in_flight.get_mut(index)
        {
            *count -= 1;
            if *count == 0 {
                self.in_flight.swap_remove(index);
            }
        }
    }

    /// Takes a token of the rate limit; `false`: there is none. `rate` is per second.
    pub(super) fn take_token(&mut self, rate: u64, now: Timestamp) -> bool {
        self.limit
            .get_or_insert_with(|| TokenBucket::new(rate, now))
            .take(rate, now)
    }
}
