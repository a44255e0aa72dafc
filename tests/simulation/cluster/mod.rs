//! The network between the nodes: a broker in the middle, as Redis is one, which a node may not reach.
//!
//! It keeps the order of each channel's messages, except of persisted events: those arrive in any order, twice, or not at
//! all; then the node's connection breaks soon after, because a stream of bytes loses nothing without breaking. Messages on
//! their way to a node are lost with its connection. A node that sends no heartbeat for the time of a lease is evicted.

mod link;
mod presence;
mod roster;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::ports::BusMessage;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::link::Link;
use self::shared::{Change, Key, Shared};
use crate::world::World;

const LEASE: Duration = Duration::from_secs(3);

/// A message on its way.
#[derive(Clone)]
pub(crate) enum Body {
    Message(BusMessage),
    Change(Key, Change),
}

#[derive(Clone)]
pub(crate) struct Wire {
    pub from: u64,
    pub sequence: u64,
    pub body: Body,
}

/// The broker's end of a node's connection.
struct Port {
    is_reachable: bool,
    /// Messages were lost: the node connects again.
    is_broken: bool,
    /// Between registration and eviction.
    is_registered: bool,
    lease_until: Instant,
    watched: BTreeSet<Key>,
    /// By the time of arrival.
    inbox: BTreeMap<(Instant, u64), Wire>,
    /// The last arrival of what keeps its order, by channel.
    last: BTreeMap<Option<Key>, Instant>,
    arrived: Arc<Notify>,
}

/// The reply to a heartbeat.
pub(crate) enum Beat {
    /// With the nodes whose lease has expired.
    Valid(Vec<u64>),
    Unreachable,
    Expired,
}

#[derive(Default)]
struct State {
    shared: Shared,
    ports: BTreeMap<u64, Port>,
    sent: u64,
}

pub(crate) struct Cluster {
    pub world: Arc<World>,
    state: Mutex<State>,
}

impl Cluster {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            state: Mutex::default(),
        })
    }

    fn add(&self, node: u64) -> Arc<Notify> {
        let arrived = Arc::new(Notify::new());
        let port = Port {
            is_reachable: true,
            is_broken: false,
            is_registered: false,
            lease_until: Instant::now(),
            watched: BTreeSet::new(),
            inbox: BTreeMap::new(),
            last: BTreeMap::new(),
            arrived: Arc::clone(&arrived),
        };
        self.state.lock().ports.insert(node, port);
        arrived
    }

    /// Sets whether a node reaches the others. What is on its way to it is lost.
    pub(crate) fn set_reachable(&self, node: u64, is_reachable: bool) {
        if let Some(port) = self.state.lock().ports.get_mut(&node)
            && port.is_reachable != is_reachable
        {
            port.is_reachable = is_reachable;
            port.is_broken = true;
            port.inbox.clear();
        }
    }

    /// A crashed node sends nothing any more. Its lease continues.
    pub(crate) fn disconnect(&self, node: u64) {
        self.set_reachable(node, false);
    }

    fn is_reachable(&self, node: u64) -> bool {
        let state = self.state.lock();
        state.ports.get(&node).is_some_and(|port| port.is_reachable)
    }

    /// Runs a command of a node; `None`: the connection or the lease is lost.
    fn command<T>(&self, node: u64, command: impl FnOnce(&mut State, &World) -> T) -> Option<T> {
        let mut state = self.state.lock();
        let port = state.ports.get(&node)?;
        let accepted = port.is_reachable && port.is_registered && !port.is_broken;
        accepted.then(|| command(&mut state, &self.world))
    }

    fn heartbeat(&self, node: u64) -> Beat {
        let mut state = self.state.lock();
        let now = Instant::now();
        let Some(port) = state.ports.get_mut(&node) else {
            return Beat::Expired;
        };
        if !port.is_reachable {
            return Beat::Unreachable;
        }
        if port.is_broken || !port.is_registered || port.lease_until < now {
            return Beat::Expired;
        }
        port.lease_until = now + LEASE;
        let expired = state
            .ports
            .iter()
            .filter(|(_, port)| port.is_registered && port.lease_until < now);
        Beat::Valid(expired.map(|(node, _)| *node).collect())
    }

    /// Removes what an expired node has; whether it was there.
    fn evict(&self, node: u64) -> bool {
        let mut state = self.state.lock();
        let Some(port) = state.ports.get_mut(&node).filter(|port| port.is_registered) else {
            return false;
        };
        port.is_registered = false;
        port.is_broken = true;
        port.inbox.clear();
        port.watched.clear();
        state.remove(&self.world, node, |_, _| true);
        for key in state.shared.counted(node) {
            state.shared.count(node, &key, 0);
        }
        true
    }

    /// The time of the next arrival at a node.
    fn next_arrival(&self, node: u64) -> Option<Instant> {
        let state = self.state.lock();
        let first = state.ports.get(&node)?.inbox.first_key_value()?;
        Some(first.0.0)
    }

    fn take_arrived(&self, node: u64) -> Option<Wire> {
        let mut state = self.state.lock();
        let inbox = &mut state.ports.get_mut(&node)?.inbox;
        let first = inbox.first_entry()?;
        (first.key().0 <= Instant::now()).then(|| first.remove())
    }
}

impl State {
    /// Removes those connections of a node for which `is_gone`.
    fn remove(
        &mut self,
        world: &World,
        node: u64,
        is_gone: impl Fn(&Key, &pushi::core::model::SocketId) -> bool,
    ) {
        for (key, socket, user) in self.shared.of_node(node) {
            if is_gone(&key, &socket)
                && let Some(change) = self.shared.leave(&key, socket, &user)
            {
                self.announce(world, node, &key, change);
            }
        }
    }

    fn announce(&mut self, world: &World, from: u64, key: &Key, change: Change) {
        let body = Body::Change(key.clone(), change);
        let wire = Wire {
            from,
            sequence: 0,
            body,
        };
        self.send(world, &wire, |_| true);
    }

    /// Sends a message to all nodes that need it.
    fn send(&mut self, world: &World, wire: &Wire, is_meant: impl Fn(u64) -> bool) {
        let key = match &wire.body {
            Body::Message(message) => message
                .channel()
                .map(|(app, channel)| (app.clone(), channel.clone())),
            Body::Change(key, _) => Some(key.clone()),
        };
        let keeps_order = match &wire.body {
            Body::Message(message) => message.serial().is_none(),
            Body::Change(..) => true,
        };
        for (node, port) in &mut self.ports {
            let needs = key.as_ref().is_none_or(|key| port.watched.contains(key));
            let receives = port.is_reachable && port.is_registered && !port.is_broken;
            if !needs || !receives || !is_meant(*node) {
                continue;
            }
            let mut arrival = Instant::now() + world.rng.millis(0..6);
            if world.fault(10) {
                arrival += world.rng.millis(10..500);
            }
            if keeps_order {
                let last = port.last.entry(key.clone()).or_insert(arrival);
                arrival = arrival.max(*last);
                *last = arrival;
            } else if world.fault(2) {
                world.note(format_args!("network: a message to {node} is lost"));
                port.is_broken = true;
                continue;
            } else if world.fault(5) {
                self.sent += 1;
                let again = arrival + world.rng.millis(0..400);
                port.inbox.insert((again, self.sent), wire.clone());
            }
            self.sent += 1;
            port.inbox.insert((arrival, self.sent), wire.clone());
            port.arrived.notify_one();
        }
    }
}
