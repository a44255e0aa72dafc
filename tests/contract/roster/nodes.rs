//! Roster adapters under test.

use std::sync::{Arc, Weak};

use pushi::core::auth::random_53_bits;
use pushi::core::hub::{Connection, ConnectionOrigin, Hub, SubscribedVia};
use pushi::core::model::{App, ChannelName, Member};
use pushi::core::ports::{Bus, DialectId, Roster};
use pushi::outbound::local::{LocalBus, LocalRoster};
use pushi::outbound::storage::memory;

use crate::nodes::RecordingSink;
use crate::nodes::redis::{connect, hub, open, url_of_redis};
use crate::samples;

/// One node.
pub(crate) struct Node {
    pub hub: Arc<Hub>,
    pub roster: Arc<dyn Roster>,
    pub bus: Arc<dyn Bus>,
    pub heard: Arc<RecordingSink>,
    /// Dropped with the node.
    _life: Arc<dyn std::any::Any + Send + Sync>,
}

impl Node {
    pub(crate) fn connect(&self, app: &Arc<App>) -> Connection {
        self.hub
            .connect(
                app,
                DialectId::Pusher,
                (0, 0),
                0,
                ConnectionOrigin::default(),
            )
            .unwrap_or_else(|full| panic!("{full:?}"))
    }

    /// A connection that is on channels.
    pub(crate) async fn on(&self, app: &Arc<App>, channels: &[&str]) -> Connection {
        let connection = self.connect(app);
        for channel in channels {
            let channel = samples::channel(channel);
            connection.subscribe(&channel, SubscribedVia::Client, None);
            self.bus.watch(&app.ident, &channel).await.unwrap();
        }
        connection
    }
}

/// A member like any other.
pub(crate) fn member(user: &str) -> Member {
    Member {
        user_id: samples::user(user),
        data: format!("{{\"user_id\":\"{user}\"}}").into(),
        peer: false,
    }
}

/// Apps that no other test has, in the order of their names.
pub(crate) async fn apps<const N: usize>(idents: [&str; N]) -> [Arc<App>; N] {
    let stores = memory::open();
    let mut apps = Vec::new();
    for ident in idents {
        let own = format!("{ident}-{}", random_53_bits().unwrap());
        apps.push(Arc::new(samples::app(&stores, &own).await));
    }
    apps.try_into().unwrap_or_else(|_| unreachable!())
}

pub(crate) fn names(channels: &[ChannelName]) -> Vec<&str> {
    channels.iter().map(ChannelName::as_str).collect()
}

/// An adapter with its nodes.
pub(crate) trait Nodes: Sized + Sync {
    /// `None` where it needs a server and none was named.
    async fn start() -> Option<Self>;

    /// Runs after the case.
    async fn close(self) {}

    /// Two connected nodes; the same one twice where the adapter has a single node.
    fn pair(&self) -> [&Node; 2];
}

/// A node that is alone.
pub(crate) struct Alone(Node);

impl Nodes for Alone {
    async fn start() -> Option<Self> {
        let bus = Arc::new(LocalBus::default());
        let hub = hub(7);
        let heard = Arc::new(RecordingSink::default());
        let sink: Weak<RecordingSink> = Arc::downgrade(&heard);
        bus.set_sink(sink);
        let roster = Arc::new(LocalRoster::new(Arc::clone(&hub), Arc::clone(&bus)));
        Some(Self(Node {
            hub,
            roster,
            bus,
            heard,
            _life: Arc::new(()),
        }))
    }

    fn pair(&self) -> [&Node; 2] {
        [&self.0, &self.0]
    }
}

/// Two nodes that meet in Redis.
pub(crate) struct Together(Node, Node);

impl Together {
    async fn node(url: &str) -> Node {
        let (adapters, hub) = open(url);
        let (heard, life) = connect(&adapters.bus, &hub).await;
        Node {
            hub,
            roster: adapters.roster,
            bus: adapters.bus,
            heard,
            _life: life,
        }
    }
}

impl Nodes for Together {
    async fn start() -> Option<Self> {
        let url = url_of_redis().await?;
        Some(Self(Self::node(&url).await, Self::node(&url).await))
    }

    fn pair(&self) -> [&Node; 2] {
        [&self.0, &self.1]
    }
}
