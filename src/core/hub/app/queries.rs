//! Lookups of an app's connections, subscriptions and channels.

use std::sync::Arc;

use super::{AppHub, Client};
use crate::core::hub::channel::Channel;
use crate::core::hub::subscriptions::Subscription;
use crate::core::hub::write::Mailbox;
use crate::core::model::{ChannelName, Occupancy, OccupiedChannel, SocketId, SocketInfo, UserId};
use crate::core::ports::Gauges;

impl Client {
    fn info(&self) -> SocketInfo {
        let mut channels: Vec<_> = self
            .subscriptions
            .iter()
            .map(|subscription| subscription.channel.clone())
            .collect();
        channels.sort_unstable();
        SocketInfo {
            id: self.mailbox.id(),
            channels,
        }
    }
}

impl AppHub {
    /// A connection's subscription to a channel.
    pub(in crate::core::hub) fn subscription(
        &self,
        key: usize,
        channel: &str,
    ) -> Option<Subscription> {
        let state = self.state.lock();
        state
            .clients
            .get(key)?
            .subscriptions
            .get(state.hash(channel), channel)
            .cloned()
    }

    /// The number of channels that the connection's client subscribed to itself.
    pub(in crate::core::hub) fn client_subscription_count(&self, key: usize) -> usize {
        self.state.lock().clients.get(key).map_or(0, |client| {
            client
                .subscriptions
                .iter()
                .filter(|subscription| subscription.client)
                .count()
        })
    }

    /// A connection's subscriptions.
    pub(in crate::core::hub) fn subscriptions(&self, key: usize) -> Vec<Subscription> {
        self.state
            .lock()
            .clients
            .get(key)
            .map_or_else(Vec::new, |client| {
                client.subscriptions.iter().cloned().collect()
            })
    }

    /// Whether the channel has a subscriber on this node.
    pub(in crate::core::hub) fn is_occupied(&self, channel: &str) -> bool {
        self.state.lock().channels.contains_key(channel)
    }

    /// The mailboxes of all connections.
    pub(in crate::core::hub) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.state
            .lock()
            .clients
            .iter()
            .map(|(_, client)| Arc::clone(&client.mailbox))
            .collect()
    }

    /// Live connections on this node whose ids are above `after`, at most `limit`, in the order of
    /// their ids.
    pub fn sockets(&self, after: Option<SocketId>, limit: usize) -> Vec<SocketInfo> {
        let state = self.state.lock();
        let mut ids: Vec<_> = state
            .keys
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| **id > after))
            .collect();
        if ids.len() > limit {
            ids.select_nth_unstable(limit);
            ids.truncate(limit);
        }
        ids.sort_unstable();
        ids.into_iter()
            .filter_map(|(_, key)| Some(state.clients.get(*key)?.info()))
            .collect()
    }

    /// One live connection.
    pub fn socket(&self, id: SocketId) -> Option<SocketInfo> {
        let state = self.state.lock();
        let key = *state.keys.get(&id)?;
        Some(state.clients.get(key)?.info())
    }

    /// Adds the app's current values to the node's gauges.
    pub(in crate::core::hub) fn add_to_gauges(&self, gauges: &mut Gauges) {
        let state = self.state.lock();
        gauges.channels += state.channels.len() as u64;
        for (_, client) in &state.clients {
            gauges.subscriptions += client.subscriptions.len() as u64;
            let pending = client.mailbox.pending_bytes() as u64;
            gauges.pending_bytes += pending;
            gauges.max_pending_bytes = gauges.max_pending_bytes.max(pending);
        }
    }

    /// The numbers of subscriptions and users of a channel on this node.
    pub fn occupancy(&self, channel: &ChannelName) -> Occupancy {
        self.state
            .lock()
            .channels
            .get(channel)
            .map_or(Occupancy::default(), Channel::occupancy)
    }

    /// The users on a presence channel on this node.
    pub fn users(&self, channel: &ChannelName) -> Vec<UserId> {
        self.state
            .lock()
            .channels
            .get(channel)
            .map_or_else(Vec::new, Channel::users)
    }

    /// The channels with subscribers on this node whose names begin with `prefix` and are above
    /// `after`, at most `limit`, in the order of their names.
    pub fn channels(
        &self,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Vec<OccupiedChannel> {
        let state = self.state.lock();
        let matches = |channel: &ChannelName| {
            channel.as_str().starts_with(prefix) && after.is_none_or(|after| channel > after)
        };
        let mut found: Vec<_> = state
            .channels
            .iter()
            .filter(|(name, _)| matches(name))
            .collect();
        if found.len() > limit {
            found.select_nth_unstable_by_key(limit, |(name, _)| *name);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|(name, _)| *name);
        found
            .iter()
            .map(|(name, channel)| OccupiedChannel {
                channel: (*name).clone(),
                occupancy: channel.occupancy(),
            })
            .collect()
    }
}
