//! A node's connection to the broker, and its bus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pushi::core::error::BusError;
use pushi::core::hub::Hub;
use pushi::core::model::{AppIdent, ChannelKind, ChannelName, Member, Mid, SocketId};
use pushi::core::ports::{Bus, BusHealth, BusMessage, BusSink};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::presence::View;
use super::shared::Key;
use super::{Beat, Body, Cluster, LEASE, Wire};
use crate::world::World;

const HEARTBEAT: Duration = Duration::from_millis(500);

/// The time without an answer after which the connection counts as lost.
const SILENCE: Duration = Duration::from_millis(1500);

pub(crate) struct Link {
    pub node: u64,
    pub cluster: Arc<Cluster>,
    pub(super) hub: OnceLock<Weak<Hub>>,
    sink: OnceLock<Weak<dyn BusSink>>,
    arrived: Arc<Notify>,
    pub(super) state: Mutex<LinkState>,
    /// A view has changed, or the connection is lost.
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct LinkState {
    pub is_up: bool,
    pub watched: BTreeSet<Key>,
    /// The members that the node's clients were notified of.
    pub views: BTreeMap<Key, View>,
    /// The members on this node's connections.
    pub local: BTreeMap<Key, BTreeMap<SocketId, Member>>,
    /// The version of the last notification.
    pub notified: u64,
    sequence: u64,
    /// Own messages that have not returned.
    awaited: BTreeMap<u64, BusMessage>,
    /// Own messages that the broker has not.
    unsent: Vec<BusMessage>,
}

pub(super) fn unavailable() -> BusError {
    BusError("the broker cannot be reached".into())
}

impl Link {
    pub(crate) fn open(cluster: &Arc<Cluster>, node: u64) -> Arc<Self> {
        Arc::new(Self {
            node,
            arrived: cluster.add(node),
            cluster: Arc::clone(cluster),
            hub: OnceLock::new(),
            sink: OnceLock::new(),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(crate) fn set_hub(&self, hub: &Arc<Hub>) {
        let _ = self.hub.set(Arc::downgrade(hub));
    }

    pub(crate) fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.cluster.world
    }

    pub(super) fn deliver(&self, message: BusMessage) {
        if let Some(sink) = self.sink.get().and_then(Weak::upgrade) {
            sink.deliver(message);
        }
    }

    /// The time that a command takes.
    pub(super) async fn delay(&self) {
        self.world().delay(0..4).await;
        if self.world().fault(5) {
            self.world().delay(5..300).await;
        }
    }

    /// Connects, and connects again whenever the connection is lost.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            while !self.cluster.is_reachable(self.node) {
                sleep(Duration::from_millis(100)).await;
            }
            self.world().delay(1..50).await;
            self.connect();
            self.serve().await;
            self.disconnect();
            self.world().delay(50..200).await;
        }
    }

    /// Receives until the connection is lost.
    async fn serve(&self) {
        let (mut beat, mut silent_since) = (Instant::now(), None);
        loop {
            let next = self.cluster.next_arrival(self.node);
            let arrival = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep_until(beat) => {
                    beat = Instant::now() + HEARTBEAT;
                    match self.cluster.heartbeat(self.node) {
                        Beat::Valid(expired) => {
                            silent_since = None;
                            expired.into_iter().for_each(|node| self.evict(node));
                        }
                        Beat::Unreachable => {
                            let since = *silent_since.get_or_insert_with(Instant::now);
                            if since.elapsed() >= SILENCE {
                                return;
                            }
                        }
                        Beat::Expired => return,
                    }
                }
                () = arrival => {}
                () = self.arrived.notified() => {}
            }
            while let Some(wire) = self.cluster.take_arrived(self.node) {
                self.receive(wire);
            }
        }
    }

    fn evict(&self, node: u64) {
        if self.cluster.evict(node) {
            self.world()
                .note(format_args!("{} evicts {node}", self.node));
            self.send(BusMessage::NodeGone);
        }
    }

    fn receive(&self, wire: Wire) {
        match wire.body {
            Body::Message(message) if wire.from == self.node => {
                if self.state.lock().awaited.remove(&wire.sequence).is_some() {
                    self.deliver(message);
                }
            }
            Body::Message(message) => self.deliver(message),
            Body::Change(key, change) => self.apply(&key, change),
        }
    }

    fn connect(&self) {
        self.world()
            .note(format_args!("{} connects to the bus", self.node));
        let notifications = {
            let mut state = self.state.lock();
            let mut cluster = self.cluster.state.lock();
            let Some(port) = cluster.ports.get_mut(&self.node) else {
                return;
            };
            (port.is_registered, port.is_broken) = (true, false);
            port.lease_until = Instant::now() + LEASE;
            port.inbox.clear();
            port.watched.clone_from(&state.watched);
            for message in std::mem::take(&mut state.unsent) {
                let wire = Wire {
                    from: self.node,
                    sequence: 0,
                    body: Body::Message(message),
                };
                cluster.send(self.world(), &wire, |node| node != self.node);
            }
            self.reassert(&state, &mut cluster);
            state.is_up = true;
            self.read_all(&mut state, &cluster)
        };
        if let Some(sink) = self.sink.get().and_then(Weak::upgrade) {
            sink.resumed();
        }
        notifications
            .into_iter()
            .for_each(|message| self.deliver(message));
    }

    /// From now on the node delivers its own messages itself, those first that have not returned.
    fn disconnect(&self) {
        self.world()
            .note(format_args!("{} lost the bus", self.node));
        let awaited = {
            let mut state = self.state.lock();
            state.is_up = false;
            std::mem::take(&mut state.awaited)
        };
        self.changed.notify_waiters();
        awaited
            .into_values()
            .for_each(|message| self.deliver(message));
    }

    fn send(&self, message: BusMessage) {
        let local = {
            let mut state = self.state.lock();
            let key = message
                .channel()
                .map(|(app, channel)| (app.clone(), channel.clone()));
            let returns = key.is_none_or(|key| state.watched.contains(&key));
            state.sequence += 1;
            let sequence = state.sequence;
            let wire = Wire {
                from: self.node,
                sequence,
                body: Body::Message(message.clone()),
            };
            let sent = state.is_up.then(|| {
                self.cluster.command(self.node, |cluster, world| {
                    cluster.send(world, &wire, |_| true);
                })
            });
            if sent.flatten().is_none() {
                state.unsent.push(message.clone());
            }
            match (returns, state.is_up) {
                (true, true) => {
                    state.awaited.insert(sequence, message);
                    None
                }
                (true, false) => Some(message),
                (false, _) => None,
            }
        };
        if let Some(message) = local {
            self.deliver(message);
        }
    }
}

#[async_trait]
impl Bus for Link {
    async fn publish(&self, message: BusMessage) -> Result<(), BusError> {
        self.send(message);
        Ok(())
    }

    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError> {
        let key = (app.clone(), channel.clone());
        self.delay().await;
        loop {
            {
                let mut state = self.state.lock();
                if state.is_up && state.watched.contains(&key) {
                    return Ok(());
                }
                if !state.is_up {
                    state.watched.insert(key);
                    return Ok(());
                }
                let subscribed = self.cluster.command(self.node, |cluster, _| {
                    if let Some(port) = cluster.ports.get_mut(&self.node) {
                        port.watched.insert(key.clone());
                    }
                    View::of(&cluster.shared, &key)
                });
                if let Some(view) = subscribed {
                    if channel.kind() == ChannelKind::Presence {
                        state.views.insert(key.clone(), view);
                    }
                    state.watched.insert(key);
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        let key = (app.clone(), channel.clone());
        let mut state = self.state.lock();
        state.watched.remove(&key);
        state.views.remove(&key);
        if let Some(port) = self.cluster.state.lock().ports.get_mut(&self.node) {
            port.watched.remove(&key);
        }
    }

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {
        // The resequencer around this bus has the exclusions.
    }

    fn health(&self) -> BusHealth {
        match self.state.lock().is_up {
            true => BusHealth::Up,
            false => BusHealth::Down,
        }
    }
}
