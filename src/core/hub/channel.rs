//! One channel's subscribers on this node.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use slab::Slab;

use super::count_throttle::CountThrottle;
use super::write::Mailbox;
use crate::core::model::{Occupancy, UserId};
use crate::core::ports::DialectId;

/// One channel's subscribers on this node.
#[derive(Debug, Default)]
pub(super) struct Channel {
    subscribers: Subscribers,
    /// The local members of a presence channel.
    users: Option<Box<Users>>,
    /// The rate limit of subscription counts, where the app has them sent.
    pub count_throttle: Option<Box<CountThrottle>>,
}

/// A channel's subscribers. Most channels of an app with many channels have one, and must be small.
#[derive(Debug, Default)]
enum Subscribers {
    #[default]
    None,
    /// With the key 0.
    One(Arc<Mailbox>),
    Many(Box<Many>),
}

/// More than one subscriber, now or earlier.
#[derive(Debug, Default)]
struct Many {
    mailboxes: Slab<Arc<Mailbox>>,
    /// The list that a fan-out iterates; rebuilt only after a change.
    snapshot: Option<Arc<[Arc<Mailbox>]>>,
}

impl Many {
    fn add(&mut self, mailbox: Arc<Mailbox>) -> usize {
        self.snapshot = None;
        self.mailboxes.insert(mailbox)
    }
}

impl Subscribers {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(many) => many.mailboxes.len(),
        }
    }

    fn add(&mut self, mailbox: Arc<Mailbox>) -> usize {
        match self {
            Self::None => {
                *self = Self::One(mailbox);
                return 0;
            }
            Self::One(_) => {}
            Self::Many(many) => return many.add(mailbox),
        }
        let mut many = Box::<Many>::default();
        if let Self::One(first) = mem::take(self) {
            many.add(first);
        }
        let key = many.add(mailbox);
        *self = Self::Many(many);
        key
    }

    fn remove(&mut self, key: usize) {
        match self {
            Self::Many(many) => {
                many.snapshot = None;
                many.mailboxes.try_remove(key);
            }
            single => *single = Self::None,
        }
    }

    fn targets(&mut self) -> Arc<[Arc<Mailbox>]> {
        match self {
            Self::None => Arc::default(),
            Self::One(mailbox) => Arc::new([Arc::clone(mailbox)]),
            Self::Many(many) => {
                let Many {
                    mailboxes,
                    snapshot,
                } = &mut **many;
                Arc::clone(snapshot.get_or_insert_with(|| {
                    mailboxes
                        .iter()
                        .map(|(_, mailbox)| Arc::clone(mailbox))
                        .collect()
                }))
            }
        }
    }
}

/// Boxed in its channel, since most channels have no users.
#[derive(Debug, Default)]
struct Users(HashMap<UserId, LocalUser>);

/// A user's local connections on a presence channel, the one with the newest member data last, each
/// with whether its data has `"peer": true`.
#[derive(Debug, Default)]
pub(super) struct LocalUser(Vec<(Arc<Mailbox>, bool)>);

impl LocalUser {
    /// The connections that can be on peer channels: only the Pushi protocol has those.
    fn pushi(&self) -> impl DoubleEndedIterator<Item = &(Arc<Mailbox>, bool)> {
        self.0
            .iter()
            .filter(|(mailbox, _)| mailbox.dialect() == DialectId::Pushi)
    }

    /// Whether the newest member data of those has `"peer": true`.
    fn is_peer(&self) -> bool {
        self.pushi().next_back().is_some_and(|(_, peer)| *peer)
    }

    /// The connections that are on the user's peer channels.
    pub(super) fn peers(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.pushi().map(|(mailbox, _)| mailbox)
    }
}

impl Channel {
    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.len() == 0
    }

    pub(super) fn occupancy(&self) -> Occupancy {
        let users = self.users.as_ref().map_or(0, |users| users.0.len());
        Occupancy {
            subscriptions: self.subscribers.len() as u64,
            users: users as u64,
        }
    }

    /// The local members of a presence channel.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.users
            .as_ref()
            .map_or_else(Vec::new, |users| users.0.keys().cloned().collect())
    }

    /// Adds a subscriber and returns the key for [`Channel::remove`].
    pub(super) fn add(&mut self, mailbox: Arc<Mailbox>) -> usize {
        self.subscribers.add(mailbox)
    }

    pub(super) fn remove(&mut self, key: usize) {
        self.subscribers.remove(key);
    }

    /// A snapshot of the subscribers.
    pub(super) fn targets(&mut self) -> Arc<[Arc<Mailbox>]> {
        self.subscribers.targets()
    }

    /// Registers a subscriber as a connection of a user, or replaces its member data.
    pub(super) fn set_member(&mut self, user: &UserId, peer: bool, mailbox: &Arc<Mailbox>) {
        let users = self.users.get_or_insert_default();
        let local = users
            .0
            .entry(user.clone())
            .or_insert_with(|| LocalUser(Vec::with_capacity(1)));
        local.0.retain(|(known, _)| known.id() != mailbox.id());
        local.0.push((Arc::clone(mailbox), peer));
    }

    pub(super) fn remove_member(&mut self, user: &UserId, mailbox: &Mailbox) {
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

    /// A local user who is present with `"peer": true`.
    pub(super) fn peer(&self, user: &str) -> Option<&LocalUser> {
        self.users
            .as_ref()?
            .0
            .get(user)
            .filter(|local| local.is_peer())
    }
}
