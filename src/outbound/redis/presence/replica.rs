//! The replica of one channel on this node: the members that local clients see, and the connections
//! of this node.
//!
//! The members are a replicated set. `apply.rs` changes them in the order of the published versions;
//! `super::sync` repairs them (anti-entropy). Members whose node has lost its lease are removed by
//! the node that evicts it.

mod apply;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::members::{PresenceChange, ReplicaMembers};
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::core::ordered_drain::OrderedQueue;

/// The id of no socket, for changes that anti-entropy has found.
pub(super) const NO_SOCKET: SocketId = SocketId {
    process: 0,
    counter: 0,
};

/// The channel whose members are an app's signed-in users. Clients cannot use this name.
pub(crate) const SIGNED_IN_USERS: &str = "\u{1}users";

/// A connection of this node on the channel.
#[derive(Debug, Clone)]
pub(super) struct LocalMember {
    pub socket: SocketId,
    /// The user and its data.
    pub member: Member,
    /// The order among the user's connections, assigned by Redis; `None`: not in Redis yet.
    pub stamp: Option<u64>,
}

/// A change that Redis has published.
#[derive(Debug, Clone)]
pub(super) struct PublishedChange {
    pub change: PresenceChange,
    /// The version of the list after the change.
    pub version: u64,
    /// The version at which the user joined.
    pub joined: u64,
    /// The user and its newest data.
    pub member: Member,
    /// The connection that joined or left.
    pub socket: SocketId,
    /// Whether the list was empty before the change.
    pub was_empty: bool,
    /// Whether an incarnation of this process was evicted.
    pub evicted_self: bool,
}

/// The result of [`ChannelReplica::reconcile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReconcileOutcome {
    /// The replica is equal to the list in Redis.
    InSync,
    /// A published change was faster than the snapshot, or is missing: read again.
    ReadAgain,
    /// The replica holds unconfirmed members.
    Unconfirmed,
}

/// The replica of one channel.
pub(super) struct ChannelReplica {
    pub app: AppIdent,
    pub channel: ChannelName,
    /// Held while the replica is synchronized with Redis.
    pub sync_lock: tokio::sync::Mutex<()>,
    /// Signals a change of the version, or that it will not change any more.
    pub version_changed: Notify,
    /// The newest version of which local clients have been notified, over all replicas of the node.
    notified_version: Arc<AtomicU64>,
    state: Mutex<ReplicaState>,
}

#[derive(Default)]
struct ReplicaState {
    /// Whether published changes are received.
    watched: bool,
    /// The number of the incarnation in which it was synchronized; 0: not synchronized.
    synchronized_in: u64,
    /// The version of the list in Redis that `members` is equal to.
    version: u64,
    members: ReplicaMembers,
    /// The connections of this node, by user.
    local: HashMap<UserId, Vec<LocalMember>>,
    /// Users that had connections on other nodes when one joined here.
    elsewhere: HashSet<UserId>,
    /// Published changes that wait for an earlier version.
    early: BTreeMap<u64, PublishedChange>,
    /// The version of the last notification to local clients.
    notified_version: u64,
    notifications: OrderedQueue,
}

impl ChannelReplica {
    /// An empty replica that is not synchronized. `notified_version` is common to all replicas.
    pub(super) fn new(
        app: &AppIdent,
        channel: &ChannelName,
        notified_version: Arc<AtomicU64>,
    ) -> Self {
        Self {
            app: app.clone(),
            channel: channel.clone(),
            sync_lock: tokio::sync::Mutex::default(),
            version_changed: Notify::new(),
            notified_version,
            state: Mutex::default(),
        }
    }

    /// Sets whether published changes are received.
    pub(super) fn set_watched(&self, watched: bool) {
        let mut state = self.state.lock();
        if watched != state.watched {
            state.watched = watched;
            state.synchronized_in = 0;
            state.early.clear();
        }
    }

    /// Whether published changes are received.
    pub(super) fn is_watched(&self) -> bool {
        self.state.lock().watched
    }

    /// Whether the replica is neither watched nor has local members.
    pub(super) fn is_unused(&self) -> bool {
        let state = self.state.lock();
        !state.watched && state.local.is_empty()
    }

    /// The number of the incarnation in which the replica was synchronized; 0: none.
    pub(super) fn synchronized_in(&self) -> u64 {
        self.state.lock().synchronized_in
    }

    /// Marks a replica that is not watched as synchronized: its local members are in Redis.
    pub(super) fn set_synchronized(&self, incarnation: u64) {
        self.state.lock().synchronized_in = incarnation;
    }

    /// Handles the loss of the connections: the replica continues on what it holds.
    pub(super) fn disconnected(&self) {
        let mut state = self.state.lock();
        state.synchronized_in = 0;
        state.early.clear();
        drop(state);
        self.version_changed.notify_waiters();
    }

    /// Adds a connection of this node.
    pub(super) fn add_local(&self, socket: SocketId, member: &Member) {
        let mut state = self.state.lock();
        let local = state.local.entry(member.user_id.clone()).or_default();
        local.retain(|local| local.socket != socket);
        local.push(LocalMember {
            socket,
            member: member.clone(),
            stamp: None,
        });
    }

    /// Records what Redis has replied for a connection of this node.
    pub(super) fn set_stamp(&self, socket: SocketId, user: &UserId, stamp: u64, elsewhere: bool) {
        let mut state = self.state.lock();
        if let Some(local) = state
            .local
            .get_mut(user)
            .and_then(|local| local.iter_mut().find(|local| local.socket == socket))
        {
            local.stamp = Some(stamp);
        }
        if elsewhere {
            state.elsewhere.insert(user.clone());
        }
    }

    /// Removes a connection of this node; `None`: there is no such connection.
    pub(super) fn remove_local(&self, socket: SocketId, user: &UserId) -> Option<()> {
        let mut state = self.state.lock();
        let local = state.local.get_mut(user)?;
        let index = local.iter().position(|local| local.socket == socket)?;
        local.remove(index);
        if local.is_empty() {
            state.local.remove(user);
        }
        Some(())
    }

    /// The connections of this node.
    pub(super) fn local_members(&self) -> Vec<LocalMember> {
        self.state
            .lock()
            .local
            .values()
            .flatten()
            .cloned()
            .collect()
    }

    /// Whether a connection of this node is on the channel.
    pub(super) fn has_local(&self, socket: SocketId, user: &UserId) -> bool {
        self.state
            .lock()
            .local
            .get(user)
            .is_some_and(|local| local.iter().any(|local| local.socket == socket))
    }

    /// The version at which a user joined; `None`: not known from Redis.
    pub(super) fn joined(&self, user: &UserId) -> Option<u64> {
        self.state.lock().members.joined(user)
    }

    /// All members, and the version up to which local clients have been notified.
    pub(super) fn members(&self) -> (MemberList, u64) {
        let state = self.state.lock();
        (state.members.list(), state.notified_version)
    }

    /// Whether each of the users is a member, and the version up to which local clients have been
    /// notified.
    pub(super) fn contains(&self, users: &[UserId]) -> (Vec<bool>, u64) {
        let state = self.state.lock();
        (
            users
                .iter()
                .map(|user| state.members.get(user.as_str()).is_some())
                .collect(),
            state.notified_version,
        )
    }

    /// Whether a user is a member whose newest data allows peer channels.
    pub(super) fn is_peer(&self, user: &str) -> bool {
        self.state
            .lock()
            .members
            .get(user)
            .is_some_and(|member| member.peer)
    }

    /// Whether the replica has reached a version, or is not synchronized and never will.
    pub(super) fn has_reached(&self, version: u64) -> bool {
        let state = self.state.lock();
        state.version >= version || state.synchronized_in == 0
    }
}
