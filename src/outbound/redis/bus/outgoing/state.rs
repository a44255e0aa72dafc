//! The state of the queue: what waits to be sent, to be acknowledged, and to be sent back.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::{Duration, Instant};

use crate::core::fair_queue::{EntrySize, FairQueue, QueueBounds};
use crate::core::model::{AppIdent, ChannelName, ServerEvent};
use crate::core::ordered_drain::OrderedQueue;
use crate::core::ports::BusMessage;
use crate::outbound::redis::connection::{MessageBody, NodeMessage};

/// Maximum age at which a message that is not stored is still sent after a reconnect.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Maximum number of messages per round trip, and their bytes; one more message may exceed them.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// The bytes of a message besides its texts, about.
pub(super) const MESSAGE_BYTES: usize = 400;

/// Maximum number of bytes of the newest events of channels whose events were dropped during an outage.
const MAX_DROPPED_BYTES: usize = 4 << 20;

/// The content of a queue entry.
#[derive(Debug, Clone)]
pub(in crate::outbound::redis::bus) enum OutgoingItem {
    /// A message to all nodes that subscribe to its topic.
    Message(BusMessage),
    /// A message to this node only. When it arrives, everything sent to the server before it has
    /// arrived or never will.
    Echo,
}

/// A message that has not been sent.
pub(super) struct QueuedMessage {
    pub item: OutgoingItem,
    pub topic: String,
    pub queued: Instant,
    /// This node receives it, too, when Redis sends it back.
    pub returns: bool,
    /// It was in the queue during an outage; what this node receives has been delivered locally.
    pub kept: bool,
}

impl QueuedMessage {
    /// Whether it is worth sending after an outage.
    fn is_useful(&self) -> bool {
        match &self.item {
            _ if !self.kept => true,
            OutgoingItem::Message(message) => {
                message.serial().is_some() || self.queued.elapsed() < MAX_AGE
            }
            OutgoingItem::Echo => false,
        }
    }
}

/// A message that is sent.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingEntry {
    /// Ascending in the order of sending.
    pub(super) sequence: u64,
    resent: bool,
    pub(super) item: OutgoingItem,
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
pub(super) struct AwaitedMessage {
    pub server: usize,
    pub queued: Instant,
    pub message: BusMessage,
}

pub(super) struct State {
    pub next_sequence: u64,
    pub connected: bool,
    pub queue: FairQueue<QueuedMessage>,
    /// Sent, but not acknowledged by Redis before the connection was lost.
    pub resend: VecDeque<OutgoingEntry>,
    /// Sent, but not yet acknowledged by Redis.
    pub unacknowledged: VecDeque<OutgoingEntry>,
    /// Sent messages that the server has not sent back yet, by sequence number.
    pub awaited: BTreeMap<u64, AwaitedMessage>,
    pub awaited_bytes: usize,
    /// Messages with a lower sequence number have been delivered locally, without Redis.
    pub delivered_below: u64,
    /// The newest stored event of each channel of which some were dropped: its receivers read the
    /// earlier ones from the store.
    pub newest_dropped: HashMap<(AppIdent, ChannelName), QueuedMessage>,
    pub dropped_bytes: usize,
    pub local: OrderedQueue,
}

impl State {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self {
            next_sequence: 0,
            connected: false,
            queue: FairQueue::new(bounds),
            resend: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            awaited: BTreeMap::new(),
            awaited_bytes: 0,
            delivered_below: 0,
            newest_dropped: HashMap::new(),
            dropped_bytes: 0,
            local: OrderedQueue::default(),
        }
    }

    fn take_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence
    }

    pub(super) fn remove_awaited(&mut self, sequence: u64) -> Option<AwaitedMessage> {
        let awaited = self.awaited.remove(&sequence)?;
        self.awaited_bytes -= bytes_of(&awaited.message);
        Some(awaited)
    }

    /// Removes the messages that are sent next: first those of before an outage.
    pub(super) fn take_batch(&mut self, route: impl Fn(&str) -> usize) -> Vec<OutgoingEntry> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let entry = if let Some(entry) = self.resend.pop_front() {
                OutgoingEntry {
                    server: route(&entry.topic),
                    ..entry
                }
            } else {
                let Some(queued) = self.take_dropped().or_else(|| self.queue.pop()) else {
                    break;
                };
                if !queued.is_useful() {
                    continue;
                }
                self.number(queued, &route)
            };
            bytes += match &entry.item {
                OutgoingItem::Message(message) => bytes_of(message),
                OutgoingItem::Echo => MESSAGE_BYTES,
            };
            batch.push(entry);
        }
        self.unacknowledged.extend(batch.iter().cloned());
        batch
    }

    fn take_dropped(&mut self) -> Option<QueuedMessage> {
        let key = self.newest_dropped.keys().next()?.clone();
        let dropped = self.newest_dropped.remove(&key);
        if self.newest_dropped.is_empty() {
            self.dropped_bytes = 0;
        }
        dropped
    }

    /// Gives a message its place in the order of sending.
    fn number(&mut self, queued: QueuedMessage, route: impl Fn(&str) -> usize) -> OutgoingEntry {
        let (sequence, server) = (self.take_sequence(), route(&queued.topic));
        if let (OutgoingItem::Message(message), true, false) =
            (&queued.item, queued.returns, queued.kept)
        {
            self.awaited_bytes += bytes_of(message);
            let awaited = AwaitedMessage {
                server,
                queued: queued.queued,
                message: message.clone(),
            };
            self.awaited.insert(sequence, awaited);
        }
        OutgoingEntry {
            sequence,
            resent: false,
            item: queued.item,
            topic: queued.topic,
            server,
        }
    }

    pub(super) fn disconnect(&mut self) -> Vec<Duration> {
        self.connected = false;
        let mut waited = Vec::new();
        for awaited in std::mem::take(&mut self.awaited).into_values() {
            waited.push(awaited.queued.elapsed());
            self.local.push(awaited.message);
        }
        self.awaited_bytes = 0;
        self.delivered_below = self.next_sequence;
        for queued in self.queue.iter_mut() {
            if let (OutgoingItem::Message(message), true, false) =
                (&queued.item, queued.returns, queued.kept)
            {
                waited.push(queued.queued.elapsed());
                self.local.push(message.clone());
            }
            queued.kept = true;
        }
        let is_message = |entry: &OutgoingEntry| matches!(entry.item, OutgoingItem::Message(_));
        let unacknowledged = std::mem::take(&mut self.unacknowledged);
        for mut entry in unacknowledged.into_iter().filter(is_message).rev() {
            entry.resent = true;
            self.resend.push_front(entry);
        }
        waited
    }

    /// Appends a message during an outage; the oldest ones of its app make space. Returns how many
    /// were dropped for good.
    pub(super) fn keep(&mut self, app: &AppIdent, queued: QueuedMessage, size: EntrySize) -> u64 {
        let mut dropped = 0;
        while !self.queue.has_space(app, size.bytes) {
            match self.queue.pop_of(app) {
                Some(oldest) => dropped += self.drop_kept(oldest),
                None => return dropped + self.drop_kept(queued),
            }
        }
        self.queue.push_accepted(app, queued, size);
        dropped
    }

    /// Drops a message, except for the newest stored one of each channel. Returns how many are lost.
    fn drop_kept(&mut self, queued: QueuedMessage) -> u64 {
        let OutgoingItem::Message(message) = &queued.item else {
            return 0;
        };
        let (Some((app, channel)), Some(_)) = (message.channel(), message.serial()) else {
            return 1;
        };
        let (key, bytes) = ((app.clone(), channel.clone()), bytes_of(message));
        let is_known = self.newest_dropped.contains_key(&key);
        if !is_known && self.dropped_bytes + bytes > MAX_DROPPED_BYTES {
            return 1;
        }
        if !is_known {
            self.dropped_bytes += bytes;
        }
        self.newest_dropped.insert(key, queued);
        0
    }
}

/// The app of a message.
pub(super) fn app_of(message: &BusMessage) -> Option<&AppIdent> {
    match message {
        BusMessage::Broadcast { app, .. }
        | BusMessage::AppChanged(app)
        | BusMessage::SubscriptionsChanged { app, .. }
        | BusMessage::UserTerminated { app, .. } => Some(app),
        BusMessage::SessionEnded(_) | BusMessage::NodeGone => None,
    }
}

pub(super) fn bytes_of(message: &BusMessage) -> usize {
    let texts = match message {
        BusMessage::Broadcast {
            event: ServerEvent::Published { event, .. },
            ..
        } => event.bytes(),
        _ => 0,
    };
    MESSAGE_BYTES + texts
}
