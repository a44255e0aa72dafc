//! Peer channels: their subscribers follow from a presence channel.

use std::sync::Arc;

use super::{AppHub, State};
use crate::core::hub::channel::Channel;
use crate::core::hub::write::Mailbox;
use crate::core::model::{ChannelName, PeerChannel};

impl AppHub {
    /// Whether the connection is on a peer channel as one of its users: named, present with
    /// `"peer": true`, and not the only one.
    pub(in crate::core::hub) fn is_peer(&self, key: usize, peer: &PeerChannel<'_>) -> bool {
        let present = self.present(peer);
        let state = self.state.lock();
        let Some(client) = state.clients.get(key) else {
            return false;
        };
        let presence = peer.presence();
        let user = client
            .subscriptions
            .get(state.hash(&presence), &presence)
            .and_then(|subscription| subscription.user.as_ref());
        let Some(user) = user.filter(|user| peer.users().any(|named| named == user.as_str()))
        else {
            return false;
        };
        let Some(channel) = state.channels.get(presence.as_str()) else {
            return false;
        };
        channel.peer(user.as_str()).is_some() && is_active(peer, &present, channel)
    }

    /// Which of a peer channel's users, in order, are present with `"peer": true` on any node. Read
    /// before the state is locked: the presence list has its own lock.
    fn present(&self, peer: &PeerChannel<'_>) -> Vec<bool> {
        let Some(presence) = &self.presence else {
            return Vec::new();
        };
        let app = self.app();
        let channel = peer.presence();
        peer.users()
            .map(|user| presence.is_peer(&app.ident, &channel, user))
            .collect()
    }

    /// The mailboxes to which a broadcast on this channel is delivered.
    pub(in crate::core::hub) fn targets(&self, channel: &ChannelName) -> Arc<[Arc<Mailbox>]> {
        let peer = PeerChannel::parse(channel.as_str()).map(|peer| (peer, self.present(&peer)));
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let subscribers = state.channels.get_mut(channel).map(Channel::targets);
        let peers = peer
            .map(|(peer, present)| state.peers(&peer, &present))
            .unwrap_or_default();
        match (subscribers, peers.is_empty()) {
            (Some(subscribers), true) => subscribers,
            (None, _) => peers.into(),
            (Some(subscribers), false) => {
                let is_peer =
                    |mailbox: &Mailbox| peers.iter().any(|peer| peer.id() == mailbox.id());
                let others: Vec<_> = subscribers
                    .iter()
                    .filter(|mailbox| !is_peer(mailbox))
                    .cloned()
                    .collect();
                peers.into_iter().chain(others).collect()
            }
        }
    }
}

impl State {
    /// The connections that are on a peer channel through its presence channel.
    fn peers(&self, peer: &PeerChannel<'_>, present: &[bool]) -> Vec<Arc<Mailbox>> {
        let Some(channel) = self.channels.get(peer.presence().as_str()) else {
            return Vec::new();
        };
        if !is_active(peer, present, channel) {
            return Vec::new();
        }
        peer.users()
            .filter_map(|user| channel.peer(user))
            .flat_map(|local| local.peers().cloned())
            .collect()
    }
}

/// Whether at least two of a peer channel's users are present: on this node in its presence
/// `channel`, or `present` on others.
fn is_active(peer: &PeerChannel<'_>, present: &[bool], channel: &Channel) -> bool {
    let is_present = |(index, user): &(usize, &str)| {
        channel.peer(user).is_some() || present.get(*index).copied().unwrap_or(false)
    };
    peer.users().enumerate().filter(is_present).nth(1).is_some()
}
