//! What the suite needs of a roster.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::hub::{Connection, Hold, Hub};
use pushi::core::model::{App, ChannelName, Member};
use pushi::core::ports::{BusMessage, BusSink, DialectId, Roster};
use pushi::inbound::websocket::dialects;
use pushi::outbound::bus::LocalBus;
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::outbound::roster::LocalRoster;
use pushi::outbound::storage::memory;
use tokio::sync::Notify;

use crate::samples;

/// What a node hears over the bus.
#[derive(Default)]
pub struct Heard {
    messages: Mutex<Vec<BusMessage>>,
    more: Notify,
}

impl BusSink for Heard {
    fn deliver(&self, message: BusMessage) {
        self.messages.lock().push(message);
        self.more.notify_waiters();
    }
}

impl Heard {
    /// Takes messages, once there are so many.
    pub async fn take(&self, count: usize) -> Vec<BusMessage> {
        let enough = async {
            loop {
                let more = self.more.notified();
                if self.messages.lock().len() >= count {
                    return self.messages.lock().drain(..).collect();
                }
                more.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), enough).await.expect("nothing comes")
    }
}

/// One node.
pub struct Node {
    pub hub: Arc<Hub>,
    pub roster: Arc<dyn Roster>,
    pub heard: Arc<Heard>,
}

impl Node {
    pub fn connect(&self, app: &Arc<App>) -> Connection {
        self.hub.connect(app, DialectId::Pusher, (0, 0), 0).unwrap_or_else(|full| panic!("{full:?}"))
    }

    /// A connection that is on channels.
    pub fn on(&self, app: &Arc<App>, channels: &[&str]) -> Connection {
        let connection = self.connect(app);
        for channel in channels {
            connection.join(&samples::channel(channel), Hold::Direct, None);
        }
        connection
    }
}

/// A member like any other.
pub fn member(user: &str) -> Member {
    Member { user_id: samples::user(user), data: format!("{{\"user_id\":\"{user}\"}}").into(), peer: false }
}

pub async fn apps<const N: usize>(idents: [&str; N]) -> [Arc<App>; N] {
    let stores = memory::open();
    let mut apps = Vec::new();
    for ident in idents {
        apps.push(Arc::new(samples::app(&stores, ident).await));
    }
    apps.try_into().unwrap_or_else(|_| unreachable!())
}

pub fn names(channels: &[ChannelName]) -> Vec<&str> {
    channels.iter().map(ChannelName::as_str).collect()
}

/// An adapter with its nodes.
pub trait Nodes: Sync {
    async fn start() -> Self;

    /// Two nodes that hear each other; one and the same where a node is alone.
    fn pair(&self) -> [&Node; 2];
}

/// A node that is alone.
pub struct Alone(Node);

impl Nodes for Alone {
    async fn start() -> Self {
        let bus = Arc::new(LocalBus::default());
        let hub = Arc::new(Hub::new(7, dialects(), Arc::new(PrometheusMetrics::new().unwrap())));
        let heard = Arc::new(Heard::default());
        let sink: Weak<dyn BusSink> = Arc::downgrade(&heard) as Weak<dyn BusSink>;
        bus.attach(sink);
        Self(Node { roster: Arc::new(LocalRoster::new(Arc::clone(&hub), bus)), hub, heard })
    }

    fn pair(&self) -> [&Node; 2] {
        [&self.0, &self.0]
    }
}
