//! The signed-in users of an app.

use std::sync::Arc;

use super::{AppHub, State};
use crate::core::hub::signed::SignedIn;
use crate::core::hub::write::{CloseReason, Mailbox};
use crate::core::model::{ChannelName, UserId};

impl AppHub {
    /// Signs a connection in, in place of the user that it was signed in as.
    pub(in crate::core::hub) fn sign_in(&self, key: usize, signed: SignedIn) {
        let mut guard = self.state.lock();
        let State {
            clients,
            signed: users,
            ..
        } = &mut *guard;
        let Some(client) = clients.get_mut(key) else {
            return;
        };
        if let Some(previous) = &client.signed {
            users.remove(previous, client.mailbox.id());
        }
        users.insert(&signed, &client.mailbox);
        client.signed = Some(Arc::new(signed));
    }

    /// Ends the sign-in of a connection.
    pub(in crate::core::hub) fn sign_out(&self, key: usize) {
        let mut guard = self.state.lock();
        let State {
            clients,
            signed: users,
            ..
        } = &mut *guard;
        let Some(client) = clients.get_mut(key) else {
            return;
        };
        if let Some(previous) = client.signed.take() {
            users.remove(&previous, client.mailbox.id());
        }
    }

    /// The user that a connection is signed in as.
    pub(in crate::core::hub) fn signed_in(&self, key: usize) -> Option<Arc<SignedIn>> {
        self.state
            .lock()
            .clients
            .get(key)
            .and_then(|client| client.signed.clone())
    }

    /// Whether a connection of a user is on a channel: one that is signed in as the user, or is on its personal channel.
    pub fn has_user_on(&self, user: &UserId, channel: &ChannelName) -> bool {
        let on_personal = self.targets(&ChannelName::personal_of(user));
        let state = self.state.lock();
        let hash = state.hash(channel.as_str());
        let is_on = |mailbox: &Arc<Mailbox>| {
            let key = state.keys.get(&mailbox.id());
            let client = key.and_then(|key| state.clients.get(*key));
            client.is_some_and(|client| {
                let found = client.subscriptions.get(hash, channel.as_str());
                found.is_some()
            })
        };
        on_personal.iter().any(is_on) || state.signed.connections(user).iter().any(is_on)
    }

    /// The connections that watch a user.
    pub(in crate::core::hub) fn watchers(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        self.state.lock().signed.watchers(user)
    }

    /// Closes the connections that are signed in as a user.
    pub(in crate::core::hub) fn terminate(&self, user: &UserId) {
        let connections = self.state.lock().signed.connections(user);
        for mailbox in connections {
            mailbox.close(CloseReason::Terminated);
        }
    }
}
