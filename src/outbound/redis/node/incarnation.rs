//! One incarnation of this node: the time from its registration until its connections are lost.
//!
//! Each incarnation keeps in Redis an index of the channels on which it may have data, so that
//! another node can remove that data after its lease has expired. A channel is added to the index
//! before any data is written, and removed after the last data.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, oneshot};

use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::{Connections, Disconnected, KeyNames, Script};

/// Maximum number of channels per call of the index script.
const BATCH: usize = 500;

/// One incarnation of this node.
pub(crate) struct Incarnation {
    pub connections: Arc<Connections>,
    /// Earlier incarnations of this process whose data may not have been removed yet.
    pub former: Vec<String>,
    /// Whether every node has had the time of a lease to reassert its members since Redis was
    /// empty or unavailable.
    stable: AtomicBool,
    index: Mutex<ChannelIndex>,
    index_changed: Notify,
    /// Incarnations of any node whose data must be removed.
    expired: Mutex<Vec<String>>,
    expired_changed: Notify,
}

/// The channels in the index. Under one lock, so that no task uses a registration that
/// another is about to remove.
#[derive(Default)]
struct ChannelIndex {
    channels: HashMap<AppIdent, HashMap<ChannelName, ChannelUses>>,
    pending: Vec<PendingRegistration>,
}

/// The kind of data that an incarnation has on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelUse {
    /// Members in its list.
    Members,
    /// A number of connections in its counts.
    Count,
}

#[derive(Default)]
struct ChannelUses {
    members: bool,
    count: bool,
    /// Whether Redis has the channel in the index.
    registered: bool,
}

impl ChannelUses {
    fn set(&mut self, channel_use: ChannelUse, used: bool) {
        match channel_use {
            ChannelUse::Members => self.members = used,
            ChannelUse::Count => self.count = used,
        }
    }
}

/// A change of the index that Redis does not have yet.
struct PendingRegistration {
    entry: String,
    /// `true`: add, `false`: remove.
    add: bool,
    done: Option<oneshot::Sender<()>>,
}

impl Incarnation {
    /// An incarnation that has just been registered.
    pub(crate) fn new(connections: Arc<Connections>, former: Vec<String>) -> Self {
        Self {
            connections,
            former,
            stable: AtomicBool::new(false),
            index: Mutex::default(),
            index_changed: Notify::new(),
            expired: Mutex::default(),
            expired_changed: Notify::new(),
        }
    }

    /// Closes the connections, because Redis does not accept this incarnation any more.
    pub(crate) fn fail_expired(&self) -> Disconnected {
        self.connections.fail_with("lease expired")
    }

    /// Sets whether every node has had time to reassert its members.
    pub(super) fn set_stable(&self, stable: bool) {
        self.stable.store(stable, Relaxed);
    }

    /// Whether every node has had time to reassert its members.
    pub(crate) fn is_stable(&self) -> bool {
        self.stable.load(Relaxed)
    }

    /// Queues incarnations whose data must be removed.
    pub(super) fn set_expired(&self, incarnations: Vec<String>) {
        if !incarnations.is_empty() {
            *self.expired.lock() = incarnations;
            self.expired_changed.notify_one();
        }
    }

    /// Waits for incarnations whose data must be removed.
    pub(super) async fn next_expired(&self) -> Vec<String> {
        self.expired_changed.notified().await;
        std::mem::take(&mut *self.expired.lock())
    }

    /// Adds a channel to the index. Must be awaited before the first data is written.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(crate) async fn register(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        channel_use: ChannelUse,
    ) -> Result<(), Disconnected> {
        let registered = {
            let mut index = self.index.lock();
            // Set before Redis confirms it, so that no other task removes the channel meanwhile.
            let uses = index
                .channels
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_default();
            uses.set(channel_use, true);
            if uses.registered {
                return Ok(());
            }
            let (done, registered) = oneshot::channel();
            index.pending.push(PendingRegistration {
                entry: index_entry(app, channel),
                add: true,
                done: Some(done),
            });
            registered
        };
        self.index_changed.notify_one();
        tokio::select! {
            () = self.connections.closed() => return Err(Disconnected),
            done = registered => done.map_err(|_| Disconnected)?,
        }
        let mut index = self.index.lock();
        if let Some(uses) = index
            .channels
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel))
        {
            uses.registered = true;
        }
        Ok(())
    }

    /// Removes a channel from the index when it has no other use. The caller prevents that data is
    /// written meanwhile.
    pub(crate) fn unregister(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        channel_use: ChannelUse,
    ) {
        let mut guard = self.index.lock();
        let index = &mut *guard;
        let Some(channels) = index.channels.get_mut(app) else {
            return;
        };
        let Some(uses) = channels.get_mut(channel) else {
            return;
        };
        uses.set(channel_use, false);
        if !uses.members && !uses.count {
            channels.remove(channel);
            index.pending.push(PendingRegistration {
                entry: index_entry(app, channel),
                add: false,
                done: None,
            });
            drop(guard);
            self.index_changed.notify_one();
        }
    }

    /// Writes changes of the index to Redis, in order, until the connections are lost.
    pub(super) async fn write_index(&self, names: &KeyNames) -> Result<(), Disconnected> {
        let keys = [
            names.registry_key("nodes"),
            names.registry_key(&format!("on:{}", self.connections.id)),
        ];
        loop {
            self.index_changed.notified().await;
            let mut pending = std::mem::take(&mut self.index.lock().pending)
                .into_iter()
                .peekable();
            while let Some(first) = pending.next() {
                let (add, mut batch) = (first.add, vec![first]);
                while batch.len() < BATCH && pending.peek().is_some_and(|next| next.add == add) {
                    batch.extend(pending.next());
                }
                let mut arguments = vec![self.connections.id.as_str(), if add { "+" } else { "-" }];
                arguments.extend(batch.iter().map(|change| change.entry.as_str()));
                match self
                    .connections
                    .run_script(Script::Index, &keys, &arguments)
                    .await?
                {
                    Value::Int(1) => {}
                    _ => return Err(self.fail_expired()),
                }
                for done in batch.into_iter().filter_map(|change| change.done) {
                    // An error: the receiver was dropped.
                    let _ = done.send(());
                }
            }
        }
    }
}

/// The entry of a channel in the index.
fn index_entry(app: &AppIdent, channel: &ChannelName) -> String {
    format!("{}/{channel}", app.as_str())
}

/// The channel of an [`index_entry`].
pub(super) fn parse_index_entry(entry: &str) -> Option<(AppIdent, ChannelName)> {
    let (app, channel) = entry.split_once('/')?;
    Some((AppIdent::trusted(app), ChannelName::trusted(channel)))
}
