//! The queue of messages that this node publishes, until Redis has sent them back.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::core::model::{AppIdent, ChannelName};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{BusMessage, BusSink};
use crate::outbound::redis::connection::{MessageBody, NodeMessage};

/// Maximum number of messages kept for the other nodes while Redis is disconnected.
const MAX_KEPT: usize = 10_000;

/// Maximum age at which a message that is not stored is still sent after a reconnect.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Maximum number of messages per round trip.
const BATCH: usize = 256;

/// The content of a queue entry.
#[derive(Debug, Clone)]
pub(super) enum OutgoingItem {
    /// A message to all nodes that subscribe to its topic.
    Message(BusMessage),
    /// A message to this node only. When it arrives, everything sent to the server before it has
    /// arrived or never will.
    Echo,
}

/// A message in the queue.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingEntry {
    sequence: u64,
    resent: bool,
    queued: Instant,
    item: OutgoingItem,
    /// The topic on which it is published.
    pub topic: String,
    /// Index of the server that owns the topic.
    pub server: usize,
}

impl OutgoingEntry {
    /// The encoded message; `None`: messages of its kind are not published.
    pub(crate) fn encode(&self, node: u64) -> Option<Vec<u8>> {
        let body = match &self.item {
            OutgoingItem::Message(message) => MessageBody::from_bus(message)?,
            OutgoingItem::Echo => MessageBody::Echo,
        };
        serde_json::to_vec(&NodeMessage {
            node,
            sequence: self.sequence,
            resent: self.resent,
            body,
        })
        .ok()
    }
}

/// A message for which this node waits until the server sends it back.
struct AwaitedMessage {
    server: usize,
    queued: Instant,
    message: BusMessage,
}

/// The messages that this node publishes. While Redis is connected, every message is delivered when
/// Redis sends it back. While it is disconnected, messages are delivered locally at once, and those
/// that are still useful are sent to the other nodes after the reconnect.
#[derive(Default)]
pub(crate) struct OutgoingQueue {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    next_sequence: u64,
    connected: bool,
    queue: VecDeque<OutgoingEntry>,
    /// Sent, but not yet acknowledged by Redis.
    unacknowledged: VecDeque<OutgoingEntry>,
    /// Sent messages that the server has not sent back yet, by sequence number.
    awaited: BTreeMap<u64, AwaitedMessage>,
    /// Messages with a lower sequence number have been delivered locally, without Redis.
    delivered_below: u64,
    /// The newest stored event of each channel that exceeded `MAX_KEPT`: its receivers read the
    /// earlier ones from the store.
    newest_dropped: HashMap<(AppIdent, ChannelName), OutgoingEntry>,
    local: OrderedQueue,
}

impl OutgoingQueue {
    /// Queues a message. `subscribed`: this node receives its topic; then the message is delivered
    /// to `sink` at once while Redis is disconnected. `route` returns the server of a topic.
    pub(crate) fn publish(
        &self,
        message: BusMessage,
        topic: String,
        subscribed: bool,
        route: impl FnOnce(&str) -> usize,
        sink: &dyn BusSink,
    ) {
        let mut state = self.state.lock();
        let server = if state.connected { route(&topic) } else { 0 };
        let (sequence, connected) = (state.take_sequence(), state.connected);
        if subscribed && connected {
            let awaited = AwaitedMessage {
                server,
                queued: Instant::now(),
                message: message.clone(),
            };
            state.awaited.insert(sequence, awaited);
        } else if subscribed {
            state.local.push(message.clone());
            state.delivered_below = state.next_sequence;
        }
        state.queue.push_back(OutgoingEntry {
            sequence,
            resent: false,
            queued: Instant::now(),
            item: OutgoingItem::Message(message),
            topic,
            server,
        });
        if connected {
            drop(state);
            self.filled.notify_one();
        } else {
            state.enforce_limit();
            drop(state);
            self.deliver_local(sink);
        }
    }

    /// Queues a message that only this node receives.
    pub(crate) fn echo(&self, topic: String, server: usize) {
        let mut state = self.state.lock();
        if state.connected {
            let sequence = state.take_sequence();
            state.queue.push_back(OutgoingEntry {
                sequence,
                resent: false,
                queued: Instant::now(),
                item: OutgoingItem::Echo,
                topic,
                server,
            });
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Waits for messages to send and takes a batch; [`OutgoingQueue::acknowledge`] must follow when
    /// Redis has accepted it.
    pub(crate) async fn next_batch(&self) -> Vec<OutgoingEntry> {
        loop {
            {
                let mut state = self.state.lock();
                let count = state.queue.len().min(BATCH);
                if count > 0 {
                    let batch: Vec<OutgoingEntry> = state.queue.drain(..count).collect();
                    state.unacknowledged.extend(batch.iter().cloned());
                    return batch;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Records that Redis has accepted the last batch.
    pub(crate) fn acknowledge(&self) {
        self.state.lock().unacknowledged.clear();
    }

    /// Handles a message of this node that a server has sent back. Returns it with the time since it
    /// was queued, unless it has been delivered already.
    pub(crate) fn returned(&self, sequence: u64, server: usize) -> Option<(BusMessage, Duration)> {
        let mut state = self.state.lock();
        // Servers keep the order: earlier messages of this server were not received and never will be.
        let lost: Vec<u64> = state
            .awaited
            .range(..sequence)
            .filter(|(_, awaited)| awaited.server == server)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in lost {
            state.awaited.remove(&sequence);
        }
        if sequence < state.delivered_below {
            return None;
        }
        state
            .awaited
            .remove(&sequence)
            .map(|awaited| (awaited.message, awaited.queued.elapsed()))
    }

    /// Starts sending over new connections, kept messages first. `route` returns the server of a topic.
    pub(crate) fn connected(&self, route: impl Fn(&str) -> usize) {
        let mut state = self.state.lock();
        let newest_dropped = std::mem::take(&mut state.newest_dropped);
        let kept = std::mem::take(&mut state.queue);
        let is_useful = |entry: &OutgoingEntry| match &entry.item {
            OutgoingItem::Message(message) => {
                message.serial().is_some() || entry.queued.elapsed() < MAX_AGE
            }
            OutgoingItem::Echo => false,
        };
        state.queue.extend(
            newest_dropped
                .into_values()
                .chain(kept.into_iter().filter(is_useful)),
        );
        for entry in &mut state.queue {
            entry.server = route(&entry.topic);
        }
        state.connected = true;
        drop(state);
        self.filled.notify_one();
    }

    /// Stops sending and delivers all awaited messages locally. Returns how long each was awaited.
    pub(crate) fn disconnected(&self, sink: &dyn BusSink) -> Vec<Duration> {
        let waited = {
            let mut state = self.state.lock();
            state.connected = false;
            let awaited = std::mem::take(&mut state.awaited);
            let waited = awaited
                .values()
                .map(|awaited| awaited.queued.elapsed())
                .collect();
            for awaited in awaited.into_values() {
                state.local.push(awaited.message);
            }
            state.delivered_below = state.next_sequence;
            let unacknowledged = std::mem::take(&mut state.unacknowledged);
            for mut entry in unacknowledged.into_iter().rev() {
                entry.resent = true;
                state.queue.push_front(entry);
            }
            state.enforce_limit();
            waited
        };
        self.deliver_local(sink);
        waited
    }

    /// Whether everything has been sent and acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.unacknowledged.is_empty()
    }

    /// Delivers the messages that need no Redis, in order, unless another task is doing so.
    fn deliver_local(&self, sink: &dyn BusSink) {
        drain(&self.state, |state| &mut state.local, sink);
    }
}

impl State {
    fn take_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence
    }

    /// Drops the oldest messages above `MAX_KEPT`, except for the newest stored one of each channel.
    fn enforce_limit(&mut self) {
        while self.queue.len() > MAX_KEPT {
            let Some(entry) = self.queue.pop_front() else {
                return;
            };
            let OutgoingItem::Message(message) = &entry.item else {
                continue;
            };
            let (Some((app, channel)), Some(_)) = (message.channel(), message.serial()) else {
                continue;
            };
            let key = (app.clone(), channel.clone());
            if self.newest_dropped.len() < MAX_KEPT || self.newest_dropped.contains_key(&key) {
                self.newest_dropped.insert(key, entry);
            }
        }
    }
}
