//! The channels, spread so that they do not wait for each other.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use parking_lot::Mutex;

use super::track::{ChannelSequence, Expected};
use crate::core::model::{AppIdent, ChannelKind, ChannelName};
use crate::core::ports::{BusMessage, BusSink};

/// Channels are spread over so many; a power of two.
const SHARDS: usize = 64;

/// The channels, spread over shards by their names. Whoever puts something in delivers, and takes along what others put
/// into the same shard meanwhile: so a shard has one order, and nobody waits for another's fan-out.
pub(super) struct Shards([Mutex<Shard>; SHARDS]);

#[derive(Default)]
struct Shard {
    apps: HashMap<AppIdent, HashMap<ChannelName, ChannelSequence>>,
    ready: VecDeque<BusMessage>,
    /// Somebody is delivering.
    busy: bool,
}

impl Default for Shards {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Shards {
    fn of(&self, channel: &ChannelName) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        channel.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        &self.0[index]
    }

    /// Does something with a channel that is watched from now on.
    pub fn with(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        work: impl FnOnce(&mut ChannelSequence),
    ) {
        let mut shard = self.of(channel).lock();
        let channels = match shard.apps.get_mut(app) {
            Some(channels) => channels,
            None => shard.apps.entry(app.clone()).or_default(),
        };
        let track = match channels.get_mut(channel) {
            Some(track) => track,
            None => channels
                .entry(channel.clone())
                .or_insert_with(|| ChannelSequence::new(true)),
        };
        if !track.watched {
            track.watched = true;
            // Until now it followed from another channel, and perhaps began in the middle.
            if track.due == Expected::Unknown {
                track.due = Expected::Opening;
            }
        }
        work(track);
    }

    /// Looks at a channel, where it is known.
    pub fn peek<T>(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        look: impl FnOnce(&ChannelSequence) -> T,
    ) -> Option<T> {
        self.of(channel)
            .lock()
            .apps
            .get(app)?
            .get(channel)
            .map(look)
    }

    /// Changes a channel, where it is known, and puts what may go on where it waits to be delivered ([`Shards::drain`] must
    /// follow). `true`: something begins to be missing.
    pub fn change(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        change: impl FnOnce(&mut ChannelSequence, &mut VecDeque<BusMessage>) -> bool,
    ) -> bool {
        let mut guard = self.of(channel).lock();
        let Shard { apps, ready, .. } = &mut *guard;
        let track = apps
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel));
        track.is_some_and(|track| change(track, ready))
    }

    /// Takes what arrived ([`Shards::drain`] must follow). An answer says that something begins to be missing, and what
    /// was due.
    pub fn take(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        message: BusMessage,
    ) -> Option<Expected> {
        let mut guard = self.of(channel).lock();
        let Shard { apps, ready, .. } = &mut *guard;
        let track = match apps
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel))
        {
            Some(track) => track,
            // Peer channels follow from their presence channel: nobody watches them by name.
            None if message.serial().is_some() && channel.kind() == ChannelKind::Peer => apps
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_insert_with(|| ChannelSequence::new(false)),
            None => {
                ready.push_back(message);
                return None;
            }
        };
        track.take(message, ready).then_some(track.due)
    }

    /// Delivers what may go on in the channel's shard, unless somebody is at it.
    pub fn drain(&self, channel: &ChannelName, sink: &dyn BusSink) {
        let shard = self.of(channel);
        let mut mine = false;
        loop {
            let message = {
                let mut shard = shard.lock();
                if shard.busy && !mine {
                    return;
                }
                let next = shard.ready.pop_front();
                shard.busy = next.is_some();
                mine = shard.busy;
                next
            };
            match message {
                Some(message) => sink.deliver(message),
                None => return,
            }
        }
    }

    /// Forgets a channel; `then` is done before anybody can watch it again.
    pub fn remove(&self, app: &AppIdent, channel: &ChannelName, then: impl FnOnce()) {
        let mut shard = self.of(channel).lock();
        if let Some(channels) = shard.apps.get_mut(app) {
            channels.remove(channel);
            if channels.is_empty() {
                shard.apps.remove(app);
            }
        }
        then();
    }

    /// Goes over all channels, a shard at a time; those for which `keep` says no are forgotten. It is called under the
    /// shard's lock, so that nobody begins to watch a channel between its look and its deed.
    pub fn retain(
        &self,
        mut keep: impl FnMut(&AppIdent, &ChannelName, &mut ChannelSequence) -> bool,
    ) {
        for shard in &self.0 {
            shard.lock().apps.retain(|app, channels| {
                channels.retain(|channel, track| keep(app, channel, track));
                !channels.is_empty()
            });
        }
    }
}
