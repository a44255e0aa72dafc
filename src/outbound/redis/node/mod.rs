//! This node as a member of the cluster of nodes: its incarnations, its heartbeat, and the loops that
//! send and receive. Presence and roster attach themselves as [`Receiver`]s.

mod cleanup;
mod incarnation;
mod receive;
mod receiver;
mod register;
mod run;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::core::fair_queue::QueueBounds;
use crate::core::model::{AppIdent, ChannelName, ServerEvent};
use crate::core::ports::{BusHealth, BusMessage, BusSink, Call, Metrics};
use crate::outbound::redis::bus::{Deduplicator, OutgoingQueue, TopicSubscriptions};
use crate::outbound::redis::connection::{KeyNames, RedisTarget, topic_channel};

pub(super) use incarnation::{ChannelUse, Incarnation};
pub(super) use receiver::{NodeTasks, ReceivedMessage, Receiver};

/// Options of a node.
#[derive(Clone)]
pub struct RedisOptions {
    /// A single server or a cluster, with credentials.
    pub target: RedisTarget,
    /// The random number of the process, as in its socket ids.
    pub process: u64,
    /// After this time without a heartbeat other nodes evict this one.
    pub lease: Duration,
    /// The bytes of messages that may wait to be sent.
    pub queued: QueueBounds,
    /// Records the round trip times of messages.
    pub metrics: Arc<dyn Metrics>,
}

/// A node of a cluster that communicates over Redis. [`RedisNode::run`] does the work.
pub(super) struct RedisNode {
    options: RedisOptions,
    names: KeyNames,
    outgoing: OutgoingQueue,
    topics: TopicSubscriptions,
    dedup: Deduplicator,
    receivers: OnceLock<Vec<Weak<dyn Receiver>>>,
    sink: OnceLock<Weak<dyn BusSink>>,
    /// `None`: the first connection attempt has not finished.
    is_up: Mutex<Option<bool>>,
    /// The current registered incarnation.
    incarnation: RwLock<Option<Arc<Incarnation>>>,
}

impl RedisNode {
    /// A node that is not connected yet.
    pub(super) fn new(options: RedisOptions) -> Self {
        Self {
            names: KeyNames::new(options.target.database()),
            outgoing: OutgoingQueue::new(options.queued, Arc::clone(&options.metrics)),
            topics: TopicSubscriptions::default(),
            dedup: Deduplicator::default(),
            receivers: OnceLock::new(),
            sink: OnceLock::new(),
            is_up: Mutex::default(),
            incarnation: RwLock::new(None),
            options,
        }
    }

    /// The messages that wait to be sent.
    pub(super) fn outgoing(&self) -> &OutgoingQueue {
        &self.outgoing
    }

    /// Sets the receiver of bus messages; only the first call has an effect.
    pub(super) fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    /// Sets the parts that use the connections, in the order in which they are notified; only the
    /// first call has an effect.
    pub(super) fn set_receivers(&self, receivers: Vec<Weak<dyn Receiver>>) {
        let _ = self.receivers.set(receivers);
    }

    fn receivers(&self) -> impl Iterator<Item = Arc<dyn Receiver>> {
        let receivers = self.receivers.get().map_or(&[][..], Vec::as_slice);
        receivers.iter().filter_map(Weak::upgrade)
    }

    /// The names of keys and topics.
    pub(super) fn names(&self) -> &KeyNames {
        &self.names
    }

    /// The number of this process, as in its socket ids.
    pub(super) fn process(&self) -> u64 {
        self.options.process
    }

    /// The receiver of bus messages.
    pub(super) fn sink(&self) -> Arc<dyn BusSink> {
        self.sink
            .get()
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| Arc::new(NullSink))
    }

    /// The registered incarnation; `None`: Redis is disconnected.
    pub(super) fn incarnation(&self) -> Option<Arc<Incarnation>> {
        self.incarnation.read().clone()
    }

    /// Whether an incarnation later than `known` is registered. `None`: any is later.
    pub(super) fn has_later_incarnation(&self, known: Option<&Incarnation>) -> bool {
        let known = known.map_or(0, |incarnation| incarnation.connections.number);
        self.incarnation
            .read()
            .as_ref()
            .is_some_and(|incarnation| incarnation.connections.number > known)
    }

    fn set_incarnation(&self, incarnation: Option<Arc<Incarnation>>) {
        *self.incarnation.write() = incarnation;
    }

    pub(super) fn health(&self) -> BusHealth {
        if *self.is_up.lock() == Some(true) {
            BusHealth::Up
        } else {
            BusHealth::Down
        }
    }

    /// Sets the health; returns whether it changed.
    fn set_bus_up(&self, is_up: bool) -> bool {
        self.is_up.lock().replace(is_up) != Some(is_up)
    }

    /// Publishes a message, or delivers it locally while Redis is disconnected.
    pub(super) fn publish(&self, message: BusMessage) {
        let (topic, subscribed) = match &message {
            BusMessage::Broadcast {
                event: ServerEvent::Published { event, .. },
                ..
            } => {
                let channel = topic_channel(&event.channel);
                (
                    self.names.topic(&event.app, channel.as_str()),
                    self.topics.is_subscribed(&event.app, &channel),
                )
            }
            BusMessage::SubscriptionsChanged { app, user } => {
                let channel = ChannelName::personal_of(user);
                (
                    self.names.topic(app, channel.as_str()),
                    self.topics.is_subscribed(app, &channel),
                )
            }
            BusMessage::AppChanged(_)
            | BusMessage::SessionEnded(_)
            | BusMessage::UserTerminated { .. }
            | BusMessage::NodeGone => (self.names.broadcast_topic(), true),
            // The scripts publish these, in one step with the change.
            BusMessage::Broadcast { .. } => return,
        };
        self.outgoing
            .publish(message, topic, subscribed, &*self.sink());
    }

    /// Subscribes to the topic of a channel. When it returns, Redis has confirmed it or is
    /// disconnected.
    pub(super) async fn watch(&self, app: &AppIdent, channel: &ChannelName) {
        if let Some(confirmed) = self.topics.watch(app, channel) {
            // An error: Redis was disconnected. The next incarnation subscribes to the topic.
            let _ = confirmed.await;
        }
    }

    /// Ends [`RedisNode::watch`].
    pub(super) fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.topics.unwatch(app, channel);
    }

    /// Records the round trip time of a message. `failed`: it was delivered locally instead.
    fn record_round_trip(&self, took: Duration, failed: bool) {
        self.options.metrics.call_finished(Call::Bus, took, failed);
    }

    /// After this time without any message a connection counts as lost.
    fn silence_limit(&self) -> Duration {
        (self.options.lease / 2).min(Duration::from_secs(2))
    }

    /// The interval between heartbeats; also the longest delay after which an expired lease is
    /// noticed.
    fn heartbeat_interval(&self) -> Duration {
        (self.options.lease / 8).min(Duration::from_millis(500))
    }
}

/// The sink before one is set, and after it was dropped.
struct NullSink;

impl BusSink for NullSink {
    fn deliver(&self, _message: BusMessage) {}

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        false
    }

    fn resumed(&self) {}
}
