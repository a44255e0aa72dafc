//! One channel's local subscribers.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

use super::mailbox::Mailbox;
use super::tally::Tally;
use crate::core::model::{Occupancy, UserId};
use crate::core::ports::DialectId;

/// One channel's local subscribers.
#[derive(Debug, Default)]
pub(super) struct Room {
    members: Slab<Arc<Mailbox>>,
    /// What a fan-out goes over; rebuilt only where somebody came or went since.
    snapshot: Option<Arc<[Arc<Mailbox>]>>,
    /// Of a presence channel: who is here with which connections.
    users: Option<Box<Users>>,
    /// Where the app wants its subscribers told how many they are.
    pub tally: Option<Box<Tally>>,
}

/// Boxed in its room, since most channels have no users.
#[derive(Debug, Default)]
struct Users(HashMap<UserId, LocalUser>);

/// A user's local connections on a presence channel, the one with the newest channel data last, each with whether
/// its data says `"peer": true`.
#[derive(Debug, Default)]
pub(super) struct LocalUser(Vec<(Arc<Mailbox>, bool)>);

impl LocalUser {
    /// Its connections that can be on peer channels: the Pushi protocol's alone has them.
    fn pushi(&self) -> impl DoubleEndedIterator<Item = &(Arc<Mailbox>, bool)> {
        self.0.iter().filter(|(mailbox, _)| mailbox.dialect() == DialectId::Pushi)
    }

    /// Whether the newest channel data of those says `"peer": true`.
    fn is_peer(&self) -> bool {
        self.pushi().next_back().is_some_and(|(_, peer)| *peer)
    }

    /// The connections that are on its peer channels.
    pub fn peers(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.pushi().map(|(mailbox, _)| mailbox)
    }
}

impl Room {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn occupancy(&self) -> Occupancy {
        let users = self.users.as_ref().map_or(0, |users| users.0.len());
        Occupancy { subscriptions: self.members.len() as u64, users: users as u64 }
    }

    /// Who is here, on a presence channel.
    pub fn users(&self) -> Vec<UserId> {
        self.users.as_ref().map_or_else(Vec::new, |users| users.0.keys().cloned().collect())
    }

    /// Takes a subscriber in; answers the slot to leave with.
    pub fn enter(&mut self, mailbox: Arc<Mailbox>) -> usize {
        self.snapshot = None;
        self.members.insert(mailbox)
    }

    pub fn leave(&mut self, slot: usize) {
        self.snapshot = None;
        self.members.try_remove(slot);
    }

    /// Everybody here, as they are now.
    pub fn targets(&mut self) -> Arc<[Arc<Mailbox>]> {
        let members = &self.members;
        Arc::clone(self.snapshot.get_or_insert_with(|| members.iter().map(|(_, mailbox)| Arc::clone(mailbox)).collect()))
    }

    /// Notes that a connection is here as a user; again with other data replaces it.
    pub fn identify(&mut self, user: &UserId, peer: bool, mailbox: &Arc<Mailbox>) {
        let users = self.users.get_or_insert_default();
        let local = users.0.entry(user.clone()).or_insert_with(|| LocalUser(Vec::with_capacity(1)));
        local.0.retain(|(known, _)| known.id() != mailbox.id());
        local.0.push((Arc::clone(mailbox), peer));
    }

    pub fn forget(&mut self, user: &UserId, mailbox: &Mailbox) {
        let Some(users) = &mut self.users else { return };
        if let Some(local) = users.0.get_mut(user) {
            local.0.retain(|(known, _)| known.id() != mailbox.id());
            if local.0.is_empty() {
                users.0.remove(user);
            }
        }
        if users.0.is_empty() {
            self.users = None;
        }
    }

    /// A user who is here with `"peer": true`.
    pub fn peer(&self, user: &str) -> Option<&LocalUser> {
        self.users.as_ref()?.0.get(user).filter(|local| local.is_peer())
    }
}
