//! What the nodes have in common: members and counts of channels.

use std::collections::{BTreeMap, BTreeSet};

use pushi::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};

/// A channel of an app.
pub(crate) type Key = (AppIdent, ChannelName);

/// A change of a presence channel's members.
#[derive(Clone)]
pub(crate) struct Change {
    /// The version of the channel that it leads to.
    pub version: u64,
    pub member: Member,
    pub joined: u64,
    pub is_present: bool,
    pub socket: SocketId,
}

#[derive(Default)]
pub(crate) struct SharedChannel {
    pub version: u64,
    pub users: BTreeMap<UserId, SharedUser>,
}

pub(crate) struct SharedUser {
    pub joined: u64,
    /// Node, connection and data; the newest last.
    connections: Vec<(u64, SocketId, Member)>,
}

impl SharedUser {
    pub(crate) fn member(&self) -> &Member {
        &self.connections.last().unwrap().2
    }
}

#[derive(Default)]
pub(crate) struct Shared {
    pub channels: BTreeMap<Key, SharedChannel>,
    /// The subscriptions of each node.
    counts: BTreeMap<Key, BTreeMap<u64, u64>>,
    occupied: BTreeSet<Key>,
}

impl Shared {
    /// Adds a connection; a user's first one is a change. A repetition changes nothing.
    pub(crate) fn join(
        &mut self,
        node: u64,
        key: &Key,
        socket: SocketId,
        member: Member,
    ) -> Option<Change> {
        let channel = self.channels.entry(key.clone()).or_default();
        if let Some(user) = channel.users.get_mut(&member.user_id) {
            if user
                .connections
                .iter()
                .all(|(_, known, _)| *known != socket)
            {
                user.connections.push((node, socket, member));
            }
            return None;
        }
        channel.version += 1;
        let joined = channel.version;
        let user = SharedUser {
            joined,
            connections: vec![(node, socket, member.clone())],
        };
        channel.users.insert(member.user_id.clone(), user);
        Some(Change {
            version: joined,
            member,
            joined,
            is_present: true,
            socket,
        })
    }

    /// Removes a connection; a user's last one is a change.
    pub(crate) fn leave(&mut self, key: &Key, socket: SocketId, user: &UserId) -> Option<Change> {
        let channel = self.channels.get_mut(key)?;
        let known = channel.users.get_mut(user)?;
        let index = known
            .connections
            .iter()
            .position(|(_, held, _)| *held == socket)?;
        let (_, _, member) = known.connections.remove(index);
        if !known.connections.is_empty() {
            return None;
        }
        let joined = known.joined;
        channel.users.remove(user);
        channel.version += 1;
        Some(Change {
            version: channel.version,
            member,
            joined,
            is_present: false,
            socket,
        })
    }

    /// The connections of a node on all channels.
    pub(crate) fn of_node(&self, node: u64) -> Vec<(Key, SocketId, UserId)> {
        let mut found = Vec::new();
        for (key, channel) in &self.channels {
            for (user, known) in &channel.users {
                let own = known.connections.iter().filter(|(of, ..)| *of == node);
                found.extend(own.map(|(_, socket, _)| (key.clone(), *socket, user.clone())));
            }
        }
        found
    }

    /// Sets the subscriptions of a node; returns those of all nodes, and whether that made the channel occupied or vacated.
    pub(crate) fn count(
        &mut self,
        node: u64,
        key: &Key,
        subscriptions: u64,
    ) -> (u64, Option<bool>) {
        let counts = self.counts.entry(key.clone()).or_default();
        match subscriptions {
            0 => drop(counts.remove(&node)),
            _ => drop(counts.insert(node, subscriptions)),
        }
        let total = counts.values().sum();
        let changed = match total {
            0 => self.occupied.remove(key).then_some(false),
            _ => self.occupied.insert(key.clone()).then_some(true),
        };
        (total, changed)
    }

    /// The channels on which a node has subscriptions.
    pub(crate) fn counted(&self, node: u64) -> Vec<Key> {
        let of_node = |(_, counts): &(&Key, &BTreeMap<u64, u64>)| counts.contains_key(&node);
        let counted = self.counts.iter().filter(of_node);
        counted.map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn total(&self, key: &Key) -> u64 {
        self.counts
            .get(key)
            .map_or(0, |counts| counts.values().sum())
    }

    /// The occupied channels of an app.
    pub(crate) fn occupied(&self, app: &AppIdent) -> impl Iterator<Item = &ChannelName> {
        self.occupied
            .iter()
            .filter(move |(of, _)| of == app)
            .map(|(_, channel)| channel)
    }

    pub(crate) fn users(&self, key: &Key) -> u64 {
        self.channels
            .get(key)
            .map_or(0, |channel| channel.users.len() as u64)
    }
}
