//! Users who are signed in, and the connections that watch them.

use std::collections::HashMap;
use std::sync::Arc;

use super::write::Mailbox;
use crate::core::model::{Member, SocketId, UserId};

/// The user that a connection is signed in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id, from the signed user data.
    pub user: UserId,
    /// The member data on presence channels that it joins without data of its own: the text of a
    /// JSON object that contains `user_id`.
    pub data: Arc<str>,
    /// The users whose status the connection receives.
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

/// The signed-in connections of an app on this node, by user and by watched user.
#[derive(Debug, Default)]
pub(super) struct SignedUsers {
    connections: ByUser,
    watchers: ByUser,
}

fn insert(by_user: &mut ByUser, user: &UserId, mailbox: &Arc<Mailbox>) {
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

fn mailboxes_of(by_user: &ByUser, user: &UserId) -> Vec<Arc<Mailbox>> {
    by_user
        .get(user)
        .map_or_else(Vec::new, |mailboxes| mailboxes.values().cloned().collect())
}

impl SignedUsers {
    pub(super) fn insert(&mut self, signed: &SignedIn, mailbox: &Arc<Mailbox>) {
        insert(&mut self.connections, &signed.user, mailbox);
        for user in &signed.watchlist {
            insert(&mut self.watchers, user, mailbox);
        }
    }

    pub(super) fn remove(&mut self, signed: &SignedIn, id: SocketId) {
        remove(&mut self.connections, &signed.user, id);
        for user in &signed.watchlist {
            remove(&mut self.watchers, user, id);
        }
    }

    /// The connections that are signed in as a user.
    pub(super) fn connections(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        mailboxes_of(&self.connections, user)
    }

    /// The connections that watch a user.
    pub(super) fn watchers(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        mailboxes_of(&self.watchers, user)
    }
}
