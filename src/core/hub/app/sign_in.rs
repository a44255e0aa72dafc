//! The signed-in users of an app.

use std::sync::Arc;

use super::{AppHub, State};
use crate::core::hub::signed::SignedIn;
use crate::core::hub::write::{CloseReason, Mailbox};
use crate::core::model::UserId;

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

    /// The user that a connection is signed in as.
    pub(in crate::core::hub) fn signed_in(&self, key: usize) -> Option<Arc<SignedIn>> {
        self.state
            .lock()
            .clients
            .get(key)
            .and_then(|client| client.signed.clone())
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
