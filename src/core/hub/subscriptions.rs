//! The channels that one connection is on.

use std::slice::Iter;

use super::connection::Subscription;

/// The channels that one connection is on. Sorted by the hashes of their names, so that a connection on few channels stays
/// small, and one on many is found in them without a look at the names.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    fn find(&self, hash: u32, channel: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|place| {
            place
                .hash
                .cmp(&hash)
                .then_with(|| place.channel.as_str().cmp(channel))
        })
    }

    pub fn get(&self, hash: u32, channel: &str) -> Option<&Subscription> {
        self.find(hash, channel)
            .ok()
            .and_then(|index| self.0.get(index))
    }

    pub fn get_mut(&mut self, hash: u32, channel: &str) -> Option<&mut Subscription> {
        self.find(hash, channel)
            .ok()
            .and_then(|index| self.0.get_mut(index))
    }

    /// The place on a channel, made where there was none.
    pub fn get_or_insert_with(
        &mut self,
        hash: u32,
        channel: &str,
        make: impl FnOnce() -> Subscription,
    ) -> &mut Subscription {
        let index = self.find(hash, channel).unwrap_or_else(|index| {
            if self.0.is_empty() {
                // Most connections have one channel; doubling would begin at four.
                self.0.reserve_exact(1);
            }
            self.0.insert(index, make());
            index
        });
        &mut self.0[index]
    }

    pub fn remove(&mut self, hash: u32, channel: &str) -> Option<Subscription> {
        self.find(hash, channel)
            .ok()
            .map(|index| self.0.remove(index))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> Iter<'_, Subscription> {
        self.0.iter()
    }

    /// All of them, in the order of the channels' names.
    pub fn into_sorted(mut self) -> Vec<Subscription> {
        self.0.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
        self.0
    }
}
