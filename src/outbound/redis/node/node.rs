//! A node's part in the mesh of nodes that Redis makes.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};

use super::incarnation::Incarnation;
use crate::core::model::{AppIdent, ChannelKind, ChannelName, ServerEvent};
use crate::core::ports::{BusHealth, BusMessage, BusSink, Call, Metrics};
use crate::outbound::redis::bus::{Outgoing, Seen, Topics};
use crate::outbound::redis::connection::{Connections, Disconnected, Names, Target, carrier};
use crate::outbound::redis::presence::ChannelReplicas;

/// How a node takes part.
#[derive(Clone)]
pub struct RedisNodeOptions {
    /// Which Redis.
    pub target: Target,
    /// The random number of the process, the one of its socket ids.
    pub process: u64,
    /// After how long without a sign a node counts as dead.
    pub lease: Duration,
    /// Where the time is counted that messages take.
    pub metrics: Arc<dyn Metrics>,
}

/// Who is connected here, for the other nodes.
#[async_trait]
pub trait LocalDirectory: Send + Sync {
    /// Answers another node's question; the text of the answer. `None`: it is none that is understood. Quick, and never waits.
    fn answer(&self, question: &str) -> Option<String>;

    /// Another node has answered the question with this number.
    fn answered(&self, number: u64, answer: &str);

    /// A life has begun: says what Redis must know, and goes on doing so; ends with the session.
    async fn take_part(&self, life: &Arc<Incarnation>) -> Result<(), Disconnected>;

    /// Redis is away.
    fn fall(&self);
}

/// A node's part in the mesh of nodes that Redis makes: what it says, what it hears, and what it knows of the others.
/// [`RedisNode::run`] does the work.
pub struct RedisNode {
    pub(super) options: RedisNodeOptions,
    pub(super) names: Names,
    pub(super) outgoing: Outgoing,
    pub(super) topics: Topics,
    pub(super) seen: Seen,
    boards: ChannelReplicas,
    census: OnceLock<Weak<dyn LocalDirectory>>,
    sink: OnceLock<Weak<dyn BusSink>>,
    /// `None`: Redis has not been tried yet.
    up: Mutex<Option<bool>>,
    /// Which server of a cluster has a topic, in the life that is now.
    pub(super) route: RwLock<Option<Arc<Connections>>>,
}

impl RedisNode {
    /// Not yet connected.
    pub fn new(options: RedisNodeOptions) -> Self {
        let names = Names::new(options.target.database());
        Self {
            options,
            boards: ChannelReplicas::new(names.clone()),
            census: OnceLock::new(),
            names,
            outgoing: Outgoing::default(),
            topics: Topics::default(),
            seen: Seen::default(),
            sink: OnceLock::new(),
            up: Mutex::default(),
            route: RwLock::new(None),
        }
    }

    /// Says who takes what arrives. The first to be attached stays.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    /// Says who knows who is connected here. The first to be attached stays.
    pub fn attach_census(&self, census: Weak<dyn LocalDirectory>) {
        let _ = self.census.set(census);
    }

    pub(super) fn census(&self) -> Option<Arc<dyn LocalDirectory>> {
        self.census.get().and_then(Weak::upgrade)
    }

    /// What things are called in Redis.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The number of this process, the one of its socket ids.
    pub fn process(&self) -> u64 {
        self.options.process
    }

    /// Who takes what arrives.
    pub fn sink(&self) -> Arc<dyn BusSink> {
        self.sink
            .get()
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| Arc::new(Nobody))
    }

    /// The presence channels of this node.
    pub fn boards(&self) -> &ChannelReplicas {
        &self.boards
    }

    /// How it is now.
    pub fn health(&self) -> BusHealth {
        if *self.up.lock() == Some(true) {
            BusHealth::Up
        } else {
            BusHealth::Down
        }
    }

    /// Notes how it is; `true`: that is new.
    pub(super) fn set_up(&self, up: bool) -> bool {
        self.up.lock().replace(up) != Some(up)
    }

    /// Publishes a message, or delivers it here while Redis is away.
    pub fn publish(&self, message: BusMessage) {
        let (topic, heard) = match &message {
            BusMessage::Broadcast {
                event: ServerEvent::Published { event, .. },
                ..
            } => {
                let name = carrier(&event.channel);
                (
                    self.names.topic(&event.app, name.as_str()),
                    self.topics.hears(&event.app, &name),
                )
            }
            BusMessage::SubscriptionsChanged { app, user } => {
                let channel = ChannelName::personal_of(user);
                (
                    self.names.topic(app, channel.as_str()),
                    self.topics.hears(app, &channel),
                )
            }
            BusMessage::AppChanged(_)
            | BusMessage::SessionEnded(_)
            | BusMessage::UserTerminated { .. } => (self.names.everybody(), true),
            // Only the scripts announce these, in one step with the change.
            BusMessage::Broadcast { .. } | BusMessage::NodeGone => return,
        };
        let route = |topic: &str| {
            self.route
                .read()
                .as_ref()
                .map_or(0, |session| session.line_of(topic))
        };
        self.outgoing
            .publish(message, topic, heard, route, &*self.sink());
    }

    /// From when this returns, messages of the channel arrive, or Redis is away.
    pub async fn watch(&self, app: &AppIdent, channel: &ChannelName) {
        if channel.kind() == ChannelKind::Presence {
            return self.watch_list(app, channel).await;
        }
        self.listen_on(app, channel).await;
    }

    /// The same where there is a list of who is there.
    pub async fn watch_list(&self, app: &AppIdent, channel: &ChannelName) {
        self.listen_on(app, channel).await;
        self.boards.watch(app, channel, &*self.sink()).await;
    }

    async fn listen_on(&self, app: &AppIdent, channel: &ChannelName) {
        if let Some(confirmed) = self.topics.watch(app, channel) {
            // An error: Redis went away meanwhile. The topic is among those that are asked for when it is back.
            let _ = confirmed.await;
        }
    }

    /// The channel's messages are needed no more.
    pub fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.topics.unwatch(app, channel);
        if channel.kind() == ChannelKind::Presence {
            self.boards.unwatch(app, channel);
        }
    }

    /// A message came back after this time, or never will.
    pub(super) fn measure(&self, took: Duration, failed: bool) {
        self.options.metrics.call_finished(Call::Bus, took, failed);
    }

    /// Within what time Redis must have said something.
    pub(super) fn patience(&self) -> Duration {
        (self.options.lease / 2).min(Duration::from_secs(2))
    }

    /// How often the node says that it lives. A dead one is noticed no later than this after its lease.
    pub(super) fn beat(&self) -> Duration {
        (self.options.lease / 8).min(Duration::from_millis(500))
    }
}

/// Before anybody is attached, and after it is gone.
struct Nobody;

impl BusSink for Nobody {
    fn deliver(&self, _message: BusMessage) {}

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        false
    }

    fn resumed(&self) {}
}
