//! The channels that one connection is subscribed to.

use std::slice::Iter;

use crate::core::model::{ChannelName, UserId};

/// The origin of a subscription. It ends when every origin has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribedVia {
    /// The client subscribed to the channel.
    Client,
    /// The connection is subscribed to a personal channel whose user follows the channel.
    Personal,
}

/// A connection's subscription to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The channel.
    pub channel: ChannelName,
    /// The key among the channel's subscribers.
    pub(super) key: usize,
    /// Hash of the channel's name, by which [`Subscriptions`] are sorted.
    pub(super) hash: u32,
    /// [`SubscribedVia::Client`] holds it.
    pub client: bool,
    /// [`SubscribedVia::Personal`] holds it.
    pub personal: bool,
    /// The user as which the connection is a member, on a presence channel.
    pub user: Option<UserId>,
}

/// The channels that one connection is subscribed to. Sorted by the hashes of their names: small
/// for a connection with few channels, and searched without comparing names for one with many.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    fn find(&self, hash: u32, channel: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|subscription| {
            subscription
                .hash
                .cmp(&hash)
                .then_with(|| subscription.channel.as_str().cmp(channel))
        })
    }

    pub(super) fn get(&self, hash: u32, channel: &str) -> Option<&Subscription> {
        self.find(hash, channel)
            .ok()
            .and_then(|index| self.0.get(index))
    }

    pub(super) fn get_mut(&mut self, hash: u32, channel: &str) -> Option<&mut Subscription> {
        self.find(hash, channel)
            .ok()
            .and_then(|index| self.0.get_mut(index))
    }

    /// The subscription to a channel, inserted if there is none.
    pub(super) fn get_or_insert_with(
        &mut self,
        hash: u32,
        channel: &str,
        make: impl FnOnce() -> Subscription,
    ) -> &mut Subscription {
        let index = self.find(hash, channel).unwrap_or_else(|index| {
            if self.0.is_empty() {
                // Most connections have one channel; the default growth starts at four.
                self.0.reserve_exact(1);
            }
            self.0.insert(index, make());
            index
        });
        &mut self.0[index]
    }

    pub(super) fn remove(&mut self, hash: u32, channel: &str) -> Option<Subscription> {
        self.find(hash, channel)
            .ok()
            .map(|index| self.0.remove(index))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> Iter<'_, Subscription> {
        self.0.iter()
    }

    /// All subscriptions, in the order of the channels' names.
    pub(super) fn into_sorted(mut self) -> Vec<Subscription> {
        self.0.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
        self.0
    }
}
