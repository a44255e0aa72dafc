//! The use cases, one verb a file. Edges call these; these call the ports and the hub.

mod app_cache;
mod append_queue;
mod apps;
mod cache;
mod connect;
mod health;
mod history;
mod occupancy;
mod personal;
mod publish;
mod retention;
mod sessions;
mod sign_in;
mod signed;
mod subscribe;
mod subscriptions;
mod trigger;
mod webhooks;

use crate::core::model::ServerEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;

pub use apps::AppError;
pub use cache::Cached;
pub use connect::{ConnectError, Connecting};
pub use health::Health;
pub use history::{HistoryError, Replay, Since};
pub use occupancy::RosterError;
pub use publish::{ClientPublish, PublishError, Publishing};
pub use sessions::{LoginError, Token};
pub use sign_in::{SignIn, SignInError, Watched};
pub use signed::SignedError;
pub use subscribe::{ChannelData, Subscribe, SubscribeError, Subscribed};
pub use subscriptions::SubscriptionError;
pub use trigger::{ClientEvent, ClientEventError, Trigger};
pub use webhooks::{WebhookLog, WebhookRules};

use super::auth::{self, RandomError};
use super::hub::Hub;
use super::model::{AppIdent, ChannelName, Limits, Mid, PublishId};
use super::ports::{BusHealth, BusMessage, BusSink, Clock, Gauges, Nodes, Notifier, Stores};
use app_cache::AppCache;
use append_queue::AppendQueue;
use sessions::SessionCache;

/// The ports that the use cases depend on.
#[derive(Clone)]
pub struct Ports {
    /// What is stored.
    pub stores: Stores,
    /// The connection to the other nodes.
    pub nodes: Nodes,
    /// Sends webhook requests.
    pub notifier: Arc<dyn Notifier>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// What the use cases go by, as configured.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What bounds a client.
    pub limits: Limits,
    /// How long a session token is good.
    pub session_ttl: Duration,
    /// Browsers' origins that may connect to any app; empty means any.
    pub allowed_origins: Vec<String>,
    /// How long events are kept; `None`: for ever.
    pub retention: Option<Duration>,
    /// How many events a channel keeps; `None`: all.
    pub retention_events: Option<u64>,
    /// How webhooks are told.
    pub webhooks: WebhookRules,
}

/// The use cases.
pub struct Service {
    ports: Ports,
    rules: Rules,
    hub: Arc<Hub>,
    registry: AppCache,
    sessions: SessionCache,
    writer: AppendQueue,
    lanes: cache::StripedLock,
    admission: connect::Admission,
    hooks: webhooks::Hooks,
    /// Random part of this process's event ids.
    process: String,
    mids: AtomicU64,
    publishes: AtomicU64,
}

impl Service {
    /// Puts the use cases together. Fails where the operating system gives no random numbers.
    pub fn new(ports: Ports, rules: Rules, hub: Arc<Hub>) -> Result<Self, RandomError> {
        // What a node that is alone claimed before it was killed, it finds under its name.
        let holder = if rules.webhooks.alone {
            "alone".to_owned()
        } else {
            auth::random_hex::<8>()?
        };
        let admission =
            connect::Admission::new(rules.limits.connects_per_second, ports.clock.now());
        Ok(Self {
            ports,
            rules,
            hub,
            registry: AppCache::default(),
            sessions: SessionCache::default(),
            writer: AppendQueue::default(),
            lanes: cache::StripedLock::default(),
            admission,
            hooks: webhooks::Hooks::new(holder),
            process: auth::random_hex::<8>()?,
            mids: AtomicU64::new(0),
            publishes: AtomicU64::new(0),
        })
    }

    /// Who is connected.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The gauges of this node, as of now.
    pub fn gauges(&self) -> Gauges {
        let bus_up = match self.ports.nodes.bus.health() {
            BusHealth::SingleNode => None,
            health => Some(health == BusHealth::Up),
        };
        Gauges {
            bus_up,
            ..self.hub.gauges()
        }
    }

    /// What the use cases go by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A new event id: the process's random number and a count, 32 hex digits.
    fn new_mid(&self) -> Mid {
        Mid(self.numbered(&self.mids).into())
    }

    /// A new id for the copies of one publish, of the same form. Its count is its own, without gaps: connections
    /// remember by it which publishes they have had.
    fn new_publish_id(&self) -> PublishId {
        PublishId(self.numbered(&self.publishes).into())
    }

    fn numbered(&self, counter: &AtomicU64) -> String {
        let mut text = String::with_capacity(self.process.len() + 16);
        text.push_str(&self.process);
        HEXLOWER.encode_append(
            &counter.fetch_add(1, Ordering::Relaxed).to_be_bytes(),
            &mut text,
        );
        text
    }
}

impl BusSink for Service {
    fn deliver(&self, message: BusMessage) {
        match message {
            BusMessage::AppChanged(_) => self.registry.changed(),
            BusMessage::SessionEnded(hash) => self.sessions.forget(&hash),
            BusMessage::NodeGone => self.hooks.node_gone(),
            BusMessage::Broadcast {
                app,
                event: ServerEvent::SubscriptionCount { channel, count },
                ..
            } => self.hub.count(&app, channel, count, self.ports.clock.now()),
            other => self.hub.deliver(other),
        }
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.hub.wants(app, channel)
    }

    /// What is stored is caught up by whoever keeps the order; the rest is looked at again here. An ended session is
    /// noticed within a second anyway.
    fn resumed(&self) {
        self.registry.changed();
        self.hub.resumed();
    }
}
