//! The collection of this node's replicas.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::replica::ChannelReplica;
use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::node::{ChannelUse, Incarnation};

/// The replicas of all channels that this node watches or has members on.
#[derive(Default)]
pub(super) struct ChannelReplicas {
    channels: Mutex<HashMap<AppIdent, HashMap<ChannelName, Arc<ChannelReplica>>>>,
    /// The newest version of which local clients have been notified, over all replicas.
    notified_version: Arc<AtomicU64>,
    /// Replicas that must be read again.
    stale: Mutex<VecDeque<Arc<ChannelReplica>>>,
    /// Signals an addition to `stale`.
    pub stale_added: Notify,
    /// Replicas with unconfirmed members.
    unconfirmed: Mutex<Vec<Arc<ChannelReplica>>>,
}

impl ChannelReplicas {
    /// The replica of a channel.
    pub(super) fn find(&self, app: &AppIdent, channel: &str) -> Option<Arc<ChannelReplica>> {
        self.channels.lock().get(app)?.get(channel).cloned()
    }

    /// Calls `action` with the replica of a channel, which is created where it is missing. The lock
    /// is held, so that the replica cannot be removed before `action` has marked it as used.
    pub(super) fn with<T>(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        action: impl FnOnce(&ChannelReplica) -> T,
    ) -> (Arc<ChannelReplica>, T) {
        let mut apps = self.channels.lock();
        let channels = match apps.get_mut(app) {
            Some(channels) => channels,
            None => apps.entry(app.clone()).or_default(),
        };
        let replica = match channels.get(channel) {
            Some(replica) => Arc::clone(replica),
            None => {
                let counter = Arc::clone(&self.notified_version);
                let replica = Arc::new(ChannelReplica::new(app, channel, counter));
                channels.insert(channel.clone(), Arc::clone(&replica));
                replica
            }
        };
        let result = action(&replica);
        (replica, result)
    }

    /// Removes a replica that is neither watched nor has local members, and its channel from the
    /// index of the current incarnation. The lock is held, so that no member is added meanwhile.
    pub(super) fn remove_unused(
        &self,
        replica: &ChannelReplica,
        incarnation: impl FnOnce() -> Option<Arc<Incarnation>>,
    ) {
        let mut apps = self.channels.lock();
        let Some(channels) = apps.get_mut(&replica.app) else {
            return;
        };
        if !channels
            .get(&replica.channel)
            .is_some_and(|known| known.is_unused())
        {
            return;
        }
        channels.remove(&replica.channel);
        if let Some(incarnation) = incarnation() {
            incarnation.unregister(&replica.app, &replica.channel, ChannelUse::Members);
        }
        if channels.is_empty() {
            apps.remove(&replica.app);
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<ChannelReplica>> {
        self.channels
            .lock()
            .values()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    /// Queues a replica to be read again.
    pub(super) fn add_stale(&self, replica: &Arc<ChannelReplica>) {
        let mut stale = self.stale.lock();
        if !stale.iter().any(|known| Arc::ptr_eq(known, replica)) {
            stale.push_back(Arc::clone(replica));
        }
        drop(stale);
        self.stale_added.notify_one();
    }

    /// Takes the first replica to be read again.
    pub(super) fn take_stale(&self) -> Option<Arc<ChannelReplica>> {
        self.stale.lock().pop_front()
    }

    /// Queues a replica to be read again once the cluster is stable.
    pub(super) fn add_unconfirmed(&self, replica: &Arc<ChannelReplica>) {
        self.unconfirmed.lock().push(Arc::clone(replica));
    }

    /// Takes all replicas to be read again once the cluster is stable.
    pub(super) fn take_unconfirmed(&self) -> Vec<Arc<ChannelReplica>> {
        std::mem::take(&mut *self.unconfirmed.lock())
    }
}
