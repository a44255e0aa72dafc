//! What a console shows of an app's connections.

use super::{AppHub, Client};
use crate::core::hub::write::CloseReason;
use crate::core::model::{ChannelName, SocketId, UserId};
use crate::core::ports::{ConnectionFilter, ConnectionInfo};

impl Client {
    /// The user that it is signed in as, or that it is on a presence channel.
    fn user(&self) -> Option<&UserId> {
        let present = || {
            let mut subscriptions = self.subscriptions.iter();
            subscriptions.find_map(|subscription| subscription.user.as_ref())
        };
        let signed = self.signed.as_ref().map(|signed| &signed.user);
        signed.or_else(present)
    }

    fn is_user(&self, user: &UserId) -> bool {
        let is_signed_in = self
            .signed
            .as_ref()
            .is_some_and(|signed| signed.user == *user);
        let mut subscriptions = self.subscriptions.iter();
        is_signed_in || subscriptions.any(|one| one.user.as_ref() == Some(user))
    }

    fn connection_info(&self, channels: usize) -> ConnectionInfo {
        let origin = self.mailbox.origin();
        let mut names: Vec<&ChannelName> =
            self.subscriptions.iter().map(|one| &one.channel).collect();
        let channel_count = names.len() as u64;
        if names.len() > channels {
            names.select_nth_unstable(channels);
            names.truncate(channels);
        }
        names.sort_unstable();
        ConnectionInfo {
            id: self.mailbox.id(),
            dialect: self.mailbox.dialect(),
            address: origin.address,
            user: self.user().cloned(),
            opened: origin.opened,
            silent: self.mailbox.silent(),
            pending_bytes: self.mailbox.pending_bytes() as u64,
            channel_count,
            channels: names.into_iter().cloned().collect(),
        }
    }
}

impl AppHub {
    /// Live connections on this node whose ids are above `after`, at most `limit`, in the order of their ids, with the first `channels`
    /// channels of each.
    pub fn connection_infos(
        &self,
        filter: &ConnectionFilter,
        after: Option<SocketId>,
        limit: usize,
        channels: usize,
    ) -> Vec<ConnectionInfo> {
        let state = self.state.lock();
        let channel = filter.channel.as_ref().map(ChannelName::as_str);
        let hash = channel.map(|channel| (state.hash(channel), channel));
        let matches = |client: &Client| {
            filter.user.as_ref().is_none_or(|user| client.is_user(user))
                && hash
                    .is_none_or(|(hash, channel)| client.subscriptions.get(hash, channel).is_some())
                && filter.address.is_none_or(|range| {
                    let address = client.mailbox.origin().address;
                    address.is_some_and(|address| range.contains(address))
                })
        };
        let clients = state.clients.iter().map(|(_, client)| client);
        let mut found: Vec<(SocketId, &Client)> = clients
            .map(|client| (client.mailbox.id(), client))
            .filter(|(id, client)| after.is_none_or(|after| *id > after) && matches(client))
            .collect();
        if found.len() > limit {
            found.select_nth_unstable_by_key(limit, |(id, _)| *id);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        let infos = found.iter();
        infos
            .map(|(_, client)| client.connection_info(channels))
            .collect()
    }

    /// One live connection of this node, with its first `channels` channels.
    pub fn connection_info(&self, id: SocketId, channels: usize) -> Option<ConnectionInfo> {
        let state = self.state.lock();
        let client = state.clients.get(*state.keys.get(&id)?)?;
        Some(client.connection_info(channels))
    }

    /// Closes a connection of this node for the administrator; returns whether there is one.
    pub fn close_connection(&self, id: SocketId) -> bool {
        let mailbox = {
            let state = self.state.lock();
            let client = state.keys.get(&id).and_then(|key| state.clients.get(*key));
            client.map(|client| client.mailbox.clone())
        };
        let is_known = mailbox.is_some();
        if let Some(mailbox) = mailbox {
            mailbox.close(CloseReason::Administrator);
        }
        is_known
    }

    /// The user of a connection: see [`ConnectionInfo::user`].
    pub(in crate::core::hub) fn user_of(&self, key: usize) -> Option<UserId> {
        self.state.lock().clients.get(key)?.user().cloned()
    }

    /// The same, of the connection with an id.
    pub fn user_of_socket(&self, id: SocketId) -> Option<UserId> {
        let state = self.state.lock();
        state.clients.get(*state.keys.get(&id)?)?.user().cloned()
    }

    /// The number of this node's connections to which an event of the channel is delivered, except for `except`.
    pub fn recipients(&self, channel: &ChannelName, except: Option<SocketId>) -> u64 {
        let targets = self.targets(channel).len() as u64;
        let is_excluded = except.is_some_and(|id| {
            let state = self.state.lock();
            let client = state.keys.get(&id).and_then(|key| state.clients.get(*key));
            let hash = state.hash(channel.as_str());
            client.is_some_and(|client| client.subscriptions.get(hash, channel.as_str()).is_some())
        });
        targets.saturating_sub(u64::from(is_excluded))
    }

    /// The numbers of connections and of channels with subscriptions.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.clients.len() as u64, state.channels.len() as u64)
    }

    /// The number of channels with subscriptions.
    pub(in crate::core::hub) fn channel_count(&self) -> u64 {
        self.counts().1
    }
}
