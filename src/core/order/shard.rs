//! The channels, sharded so that their locks are rarely contended.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use parking_lot::Mutex;

use super::sequence::{ChannelSequence, Expected};
use crate::core::model::{AppIdent, ChannelKind, ChannelName, Timestamp};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{BusMessage, BusSink};

/// The number of shards; a power of two.
const SHARDS: usize = 64;

/// The sequences of all channels, sharded by channel name. Each shard delivers in one order.
pub(super) struct Shards([Mutex<Shard>; SHARDS]);

#[derive(Default)]
struct Shard {
    apps: HashMap<AppIdent, HashMap<ChannelName, ChannelSequence>>,
    ready: OrderedQueue,
}

impl Default for Shards {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Shards {
    fn shard(&self, channel: &ChannelName) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        channel.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        &self.0[index]
    }

    /// Marks a channel as wanted, and as watched since `now` unless it was watched before.
    pub(super) fn watch(&self, app: &AppIdent, channel: &ChannelName, now: Timestamp) {
        let mut shard = self.shard(channel).lock();
        let channels = match shard.apps.get_mut(app) {
            Some(channels) => channels,
            None => shard.apps.entry(app.clone()).or_default(),
        };
        let sequence = match channels.get_mut(channel) {
            Some(sequence) => sequence,
            None => channels
                .entry(channel.clone())
                .or_insert_with(|| ChannelSequence::new(Some(now))),
        };
        if sequence.watched.is_none() {
            sequence.watched = Some(now);
            // A peer channel until now, of which the node may have missed the beginning.
            if sequence.expected == Expected::Unknown {
                sequence.expected = Expected::HeadPending;
            }
        }
        sequence.unwanted = false;
    }

    /// Reads a channel's sequence, if there is one.
    pub(super) fn read<T>(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        read: impl FnOnce(&ChannelSequence) -> T,
    ) -> Option<T> {
        self.shard(channel)
            .lock()
            .apps
            .get(app)?
            .get(channel)
            .map(read)
    }

    /// Updates a channel's sequence, if there is one, and queues the messages that become ready
    /// ([`Shards::drain`] must follow). `true`: a gap begins.
    pub(super) fn update(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        update: impl FnOnce(&mut ChannelSequence, &mut VecDeque<BusMessage>) -> bool,
    ) -> bool {
        let mut guard = self.shard(channel).lock();
        let Shard { apps, ready } = &mut *guard;
        let sequence = apps
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel));
        sequence.is_some_and(|sequence| update(sequence, ready.messages()))
    }

    /// Accepts a message that arrived ([`Shards::drain`] must follow). `Some`: a gap begins, before
    /// which this serial was expected.
    pub(super) fn accept(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        message: BusMessage,
    ) -> Option<Expected> {
        let mut guard = self.shard(channel).lock();
        let Shard { apps, ready } = &mut *guard;
        let sequence = match apps
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel))
        {
            Some(sequence) => sequence,
            // Peer channels follow from their presence channel: they are not watched by name.
            None if message.serial().is_some() && channel.kind() == ChannelKind::Peer => apps
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_insert_with(|| ChannelSequence::new(None)),
            None => {
                ready.push(message);
                return None;
            }
        };
        sequence
            .accept(message, ready.messages())
            .then_some(sequence.expected)
    }

    /// Delivers the ready messages of the channel's shard, unless another task does so.
    pub(super) fn drain(&self, channel: &ChannelName, sink: &dyn BusSink) {
        drain(self.shard(channel), |shard| &mut shard.ready, sink);
    }

    /// Removes a channel; `then` runs before the channel can be watched again.
    pub(super) fn remove(&self, app: &AppIdent, channel: &ChannelName, then: impl FnOnce()) {
        let mut shard = self.shard(channel).lock();
        if let Some(channels) = shard.apps.get_mut(app) {
            channels.remove(channel);
            if channels.is_empty() {
                shard.apps.remove(app);
            }
        }
        then();
    }

    /// Keeps the channels for which `keep` returns true. It is called under the shard's lock, so
    /// that no channel can be watched between check and removal.
    pub(super) fn retain(
        &self,
        mut keep: impl FnMut(&AppIdent, &ChannelName, &mut ChannelSequence) -> bool,
    ) {
        for shard in &self.0 {
            shard.lock().apps.retain(|app, channels| {
                channels.retain(|channel, sequence| keep(app, channel, sequence));
                !channels.is_empty()
            });
        }
    }
}
