//! One channel's local subscribers.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use slab::Slab;

use super::mailbox::Mailbox;
use super::tally::CountThrottle;
use crate::core::model::{Occupancy, UserId};
use crate::core::ports::DialectId;

/// One channel's local subscribers.
#[derive(Debug, Default)]
pub(super) struct Channel {
    subscribers: Subscribers,
    /// Of a presence channel: who is here with which connections.
    users: Option<Box<Users>>,
    /// Where the app wants its subscribers told how many they are.
    pub tally: Option<Box<CountThrottle>>,
}

/// Who is on a channel. Most channels of an app with many have one subscriber, and must cost little.
#[derive(Debug, Default)]
enum Subscribers {
    #[default]
    Nobody,
    /// In seat 0.
    One(Arc<Mailbox>),
    Many(Box<Many>),
}

/// More subscribers than one, or what is left of them.
#[derive(Debug, Default)]
struct Many {
    seats: Slab<Arc<Mailbox>>,
    /// What a fan-out goes over; rebuilt only where somebody came or went since.
    snapshot: Option<Arc<[Arc<Mailbox>]>>,
}

impl Many {
    fn enter(&mut self, mailbox: Arc<Mailbox>) -> usize {
        self.snapshot = None;
        self.seats.insert(mailbox)
    }
}

impl Subscribers {
    fn len(&self) -> usize {
        match self {
            Self::Nobody => 0,
            Self::One(_) => 1,
            Self::Many(crowd) => crowd.seats.len(),
        }
    }

    fn enter(&mut self, mailbox: Arc<Mailbox>) -> usize {
        match self {
            Self::Nobody => {
                *self = Self::One(mailbox);
                return 0;
            }
            Self::One(_) => {}
            Self::Many(crowd) => return crowd.enter(mailbox),
        }
        let mut crowd = Box::<Many>::default();
        if let Self::One(first) = mem::take(self) {
            crowd.enter(first);
        }
        let seat = crowd.enter(mailbox);
        *self = Self::Many(crowd);
        seat
    }

    fn leave(&mut self, seat: usize) {
        match self {
            Self::Many(crowd) => {
                crowd.snapshot = None;
                crowd.seats.try_remove(seat);
            }
            alone => *alone = Self::Nobody,
        }
    }

    fn targets(&mut self) -> Arc<[Arc<Mailbox>]> {
        match self {
            Self::Nobody => Arc::default(),
            Self::One(mailbox) => Arc::new([Arc::clone(mailbox)]),
            Self::Many(crowd) => {
                let Many { seats, snapshot } = &mut **crowd;
                Arc::clone(snapshot.get_or_insert_with(|| {
                    seats
                        .iter()
                        .map(|(_, mailbox)| Arc::clone(mailbox))
                        .collect()
                }))
            }
        }
    }
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
        self.0
            .iter()
            .filter(|(mailbox, _)| mailbox.dialect() == DialectId::Pushi)
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

impl Channel {
    pub fn is_empty(&self) -> bool {
        self.subscribers.len() == 0
    }

    pub fn occupancy(&self) -> Occupancy {
        let users = self.users.as_ref().map_or(0, |users| users.0.len());
        Occupancy {
            subscriptions: self.subscribers.len() as u64,
            users: users as u64,
        }
    }

    /// Who is here, on a presence channel.
    pub fn users(&self) -> Vec<UserId> {
        self.users
            .as_ref()
            .map_or_else(Vec::new, |users| users.0.keys().cloned().collect())
    }

    /// Takes a subscriber in; answers the seat to leave.
    pub fn enter(&mut self, mailbox: Arc<Mailbox>) -> usize {
        self.subscribers.enter(mailbox)
    }

    pub fn leave(&mut self, seat: usize) {
        self.subscribers.leave(seat);
    }

    /// Everybody here, as they are now.
    pub fn targets(&mut self) -> Arc<[Arc<Mailbox>]> {
        self.subscribers.targets()
    }

    /// Notes that a connection is here as a user; again with other data replaces it.
    pub fn identify(&mut self, user: &UserId, peer: bool, mailbox: &Arc<Mailbox>) {
        let users = self.users.get_or_insert_default();
        let local = users
            .0
            .entry(user.clone())
            .or_insert_with(|| LocalUser(Vec::with_capacity(1)));
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
        self.users
            .as_ref()?
            .0
            .get(user)
            .filter(|local| local.is_peer())
    }
}
