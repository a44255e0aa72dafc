//! Who is signed in, and whom that concerns.

use std::collections::HashMap;
use std::sync::Arc;

use super::app::{AppHub, State};
use super::mailbox::Mailbox;
use super::parcel::CloseReason;
use crate::core::model::{Member, SocketId, UserId};

/// Who a connection is signed in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user.
    pub user: UserId,
    /// What the user is shown as where it joins without data of its own: the text of a JSON object that holds `user_id`.
    pub data: Arc<str>,
    /// The users whose coming and going it wants to hear of.
    pub watchlist: Vec<UserId>,
}

impl SignedIn {
    /// The user as a member of a presence channel.
    pub fn as_member(&self) -> Member {
        Member {
            user_id: self.user.clone(),
            data: Arc::clone(&self.data),
            peer: false,
        }
    }
}

type ByUser = HashMap<UserId, HashMap<SocketId, Arc<Mailbox>>>;

/// The signed-in connections of an app on this node, by their users and by whom they watch.
#[derive(Debug, Default)]
pub(super) struct SignedUsers {
    connections: ByUser,
    watchers: ByUser,
}

fn add(by_user: &mut ByUser, user: &UserId, mailbox: &Arc<Mailbox>) {
    by_user
        .entry(user.clone())
        .or_default()
        .insert(mailbox.id(), Arc::clone(mailbox));
}

fn remove(by_user: &mut ByUser, user: &UserId, id: SocketId) {
    if let Some(mailboxes) = by_user.get_mut(user) {
        mailboxes.remove(&id);
        if mailboxes.is_empty() {
            by_user.remove(user);
        }
    }
}

fn of(by_user: &ByUser, user: &UserId) -> Vec<Arc<Mailbox>> {
    by_user
        .get(user)
        .map_or_else(Vec::new, |mailboxes| mailboxes.values().cloned().collect())
}

impl SignedUsers {
    pub fn enter(&mut self, signed: &SignedIn, mailbox: &Arc<Mailbox>) {
        add(&mut self.connections, &signed.user, mailbox);
        for user in &signed.watchlist {
            add(&mut self.watchers, user, mailbox);
        }
    }

    pub fn leave(&mut self, signed: &SignedIn, id: SocketId) {
        remove(&mut self.connections, &signed.user, id);
        for user in &signed.watchlist {
            remove(&mut self.watchers, user, id);
        }
    }

    /// A user's connections.
    pub fn connections(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        of(&self.connections, user)
    }

    /// The connections that want to hear of a user.
    pub fn watchers(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        of(&self.watchers, user)
    }
}

impl AppHub {
    /// Notes who a connection is signed in as, in the place of what was noted before.
    pub(super) fn sign_in(&self, slot: usize, signed: SignedIn) {
        let mut guard = self.state.lock();
        let State {
            sockets,
            signed: users,
            ..
        } = &mut *guard;
        let Some(socket) = sockets.get_mut(slot) else {
            return;
        };
        if let Some(before) = &socket.signed {
            users.leave(before, socket.mailbox.id());
        }
        users.enter(&signed, &socket.mailbox);
        socket.signed = Some(Arc::new(signed));
    }

    /// Who a connection is signed in as.
    pub(super) fn signed_in(&self, slot: usize) -> Option<Arc<SignedIn>> {
        self.state
            .lock()
            .sockets
            .get(slot)
            .and_then(|socket| socket.signed.clone())
    }

    /// The connections that want to hear of a user.
    pub(super) fn watchers(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        self.state.lock().signed.watchers(user)
    }

    /// Ends the connections that are signed in as a user.
    pub(super) fn terminate(&self, user: &UserId) {
        let connections = self.state.lock().signed.connections(user);
        for mailbox in connections {
            mailbox.close(CloseReason::Terminated);
        }
    }
}
