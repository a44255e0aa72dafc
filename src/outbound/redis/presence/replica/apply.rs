//! Changes of a replica's members, and the notification of local clients.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    ChannelReplica, NO_SOCKET, PublishedChange, ReconcileOutcome, ReplicaState, SIGNED_IN_USERS,
};
use crate::core::model::{Member, ServerEvent, SocketId, UserId};
use crate::core::ordered_drain::drain;
use crate::core::ports::{BusMessage, BusSink};
use crate::outbound::redis::presence::members::PresenceChange;
use crate::outbound::redis::presence::snapshot::MemberSnapshot;

impl ChannelReplica {
    /// Adds a member while Redis is disconnected. Returns whether the user is new; `None`: the
    /// channel has `max` members (0: no limit).
    pub(crate) fn join_offline(
        &self,
        socket: SocketId,
        member: &Member,
        max: u64,
        sink: &dyn BusSink,
    ) -> Option<bool> {
        let new = {
            let mut state = self.state.lock();
            if max != 0
                && state.members.len() as u64 >= max
                && state.members.get(member.user_id.as_str()).is_none()
            {
                return None;
            }
            let user = &member.user_id;
            let is_only = state
                .local
                .get(user)
                .is_some_and(|local| local.iter().all(|local| local.socket == socket))
                && !state.elsewhere.contains(user);
            let replaced = state.members.other_than(member).filter(|_| is_only);
            let new = state.members.put_local(member.clone());
            if new {
                self.notify(&mut state, PresenceChange::Joined, member.clone(), socket);
            } else if let Some(before) = replaced {
                self.notify_replaced(&mut state, before, member.clone(), socket);
            }
            new
        };
        self.deliver(sink);
        Some(new)
    }

    /// Removes a user while Redis is disconnected, unless it has other connections here or had some
    /// on other nodes. Returns whether it was removed.
    pub(crate) fn leave_offline(
        &self,
        socket: SocketId,
        user: &UserId,
        sink: &dyn BusSink,
    ) -> bool {
        {
            let mut state = self.state.lock();
            if state.local.contains_key(user) || state.elsewhere.contains(user) {
                return false;
            }
            let Some(member) = state.members.remove(user.as_str()) else {
                return false;
            };
            self.notify(&mut state, PresenceChange::Left, member, socket);
        }
        self.deliver(sink);
        true
    }

    /// Applies a published change. Returns `true` if an earlier one is missing, so that the list
    /// must be read again.
    pub(crate) fn apply_published(&self, published: PublishedChange, sink: &dyn BusSink) -> bool {
        let missing = {
            let mut state = self.state.lock();
            if state.synchronized_in != 0 && published.version <= state.version {
                return false;
            }
            state.early.insert(published.version, published);
            self.apply_early(&mut state)
        };
        self.deliver(sink);
        self.version_changed.notify_waiters();
        missing
    }

    /// Applies a change of this node that Redis has confirmed, before it is received. Does nothing
    /// if an earlier one is missing: it may be in flight, and the published change follows.
    pub(crate) fn apply_own(&self, published: PublishedChange, sink: &dyn BusSink) {
        {
            let mut state = self.state.lock();
            if state.synchronized_in == 0 || published.version != state.version + 1 {
                return;
            }
            state.version = published.version;
            self.apply(&mut state, published);
            self.apply_early(&mut state);
        }
        self.deliver(sink);
        self.version_changed.notify_waiters();
    }

    /// Applies the received changes that follow each other; returns whether one is missing.
    fn apply_early(&self, state: &mut ReplicaState) -> bool {
        if state.synchronized_in == 0 {
            return false;
        }
        while let Some((version, next)) = state.early.pop_first() {
            if version <= state.version {
                continue;
            }
            if version != state.version + 1
                && !(next.was_empty && state.members.is_empty_in_redis())
            {
                state.early.insert(version, next);
                return true;
            }
            state.version = version;
            self.apply(state, next);
        }
        false
    }

    fn apply(&self, state: &mut ReplicaState, published: PublishedChange) {
        let PublishedChange {
            change,
            joined,
            member,
            socket,
            evicted_self,
            ..
        } = published;
        match change {
            PresenceChange::Joined => {
                if state.members.put(member.clone(), joined) {
                    self.notify(state, PresenceChange::Joined, member, socket);
                }
            }
            // Peers evicted this node after a missed lease. It reasserts its members at once, so
            // local clients need no notification.
            PresenceChange::Left if evicted_self && state.local.contains_key(&member.user_id) => {}
            PresenceChange::Left => {
                state.elsewhere.remove(&member.user_id);
                if let Some(member) = state.members.remove(member.user_id.as_str()) {
                    self.notify(state, PresenceChange::Left, member, socket);
                }
            }
            PresenceChange::Replaced => {
                let before = state.members.other_than(&member);
                if state.members.put(member.clone(), joined) {
                    self.notify(state, PresenceChange::Joined, member, socket);
                } else if let Some(before) = before {
                    self.notify_replaced(state, before, member, socket);
                }
            }
            PresenceChange::Updated => {
                state.members.put(member, joined);
            }
        }
    }

    /// Makes the members equal to a snapshot, and notifies of the differences. Users that are
    /// missing in it stay if they have local connections, and, unless the cluster is `stable`, as
    /// unconfirmed members.
    pub(crate) fn reconcile(
        &self,
        incarnation: u64,
        snapshot: MemberSnapshot,
        stable: bool,
        sink: &dyn BusSink,
    ) -> ReconcileOutcome {
        let outcome = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if state.synchronized_in == incarnation && snapshot.version < state.version {
                return ReconcileOutcome::ReadAgain;
            }
            for user in state.members.missing_from(&snapshot.users, stable) {
                if stable && !state.local.contains_key(&user) {
                    state.elsewhere.remove(&user);
                    if let Some(member) = state.members.remove(user.as_str()) {
                        self.notify(state, PresenceChange::Left, member, NO_SOCKET);
                    }
                }
            }
            let mut present: Vec<_> = snapshot.users.into_values().collect();
            present.sort_unstable_by_key(|(_, joined)| *joined);
            for (member, joined) in present {
                if state.members.put(member.clone(), joined) {
                    self.notify(state, PresenceChange::Joined, member, NO_SOCKET);
                }
            }
            state.version = snapshot.version;
            state.synchronized_in = incarnation;
            match self.apply_early(state) {
                true => ReconcileOutcome::ReadAgain,
                false if state.members.has_unconfirmed() => ReconcileOutcome::Unconfirmed,
                false => ReconcileOutcome::InSync,
            }
        };
        self.deliver(sink);
        self.version_changed.notify_waiters();
        outcome
    }

    /// Queues the notifications of a member's new data: it leaves and joins.
    fn notify_replaced(
        &self,
        state: &mut ReplicaState,
        before: Member,
        after: Member,
        socket: SocketId,
    ) {
        self.notify(state, PresenceChange::Left, before, socket);
        self.notify(state, PresenceChange::Joined, after, socket);
    }

    /// Queues a notification of local clients.
    fn notify(
        &self,
        state: &mut ReplicaState,
        change: PresenceChange,
        member: Member,
        socket: SocketId,
    ) {
        // Incremented under the lock, so that later notifications have higher versions.
        let version = self.notified_version.fetch_add(1, Relaxed) + 1;
        state.notified_version = version;
        if !state.watched {
            return;
        }
        let (app, channel) = (self.app.clone(), self.channel.clone());
        let (event, exclude) = match change {
            _ if channel.as_str() == SIGNED_IN_USERS => {
                let (user, online) = (member.user_id, change != PresenceChange::Left);
                (ServerEvent::UserStatus { user, online }, None)
            }
            PresenceChange::Left => (ServerEvent::MemberRemoved { channel, member }, Some(socket)),
            PresenceChange::Joined | PresenceChange::Replaced | PresenceChange::Updated => {
                (ServerEvent::MemberAdded { channel, member }, Some(socket))
            }
        };
        state.notifications.push(BusMessage::Broadcast {
            app,
            event,
            exclude,
            version: Some(version),
        });
    }

    /// Delivers queued notifications in order, unless another task is doing so.
    fn deliver(&self, sink: &dyn BusSink) {
        drain(&self.state, |state| &mut state.notifications, sink);
    }
}
