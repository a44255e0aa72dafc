//! The queue of messages that this node publishes, until Redis has sent them back.

mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

pub(crate) use self::state::OutgoingEntry;
use self::state::{MESSAGE_BYTES, OutgoingItem, QueuedMessage, State, app_of, bytes_of};
use crate::core::fair_queue::{EntrySize, QueueBounds};
use crate::core::model::AppIdent;
use crate::core::ordered_drain::drain;
use crate::core::ports::{BusMessage, BusSink, Metrics, QueueKind};
use crate::core::queue_losses::QueueLosses;

/// The messages that this node publishes, each app's in their order, the apps in turns. While Redis
/// is connected, every message is delivered when Redis sends it back. While it is disconnected,
/// messages are delivered locally at once, and those that are still useful are sent to the other
/// nodes after the reconnect.
///
/// Bounded in bytes by app and in all (`PUSHI_MAX_QUEUED_BYTES`): an app above its bound may not
/// publish. During an outage its oldest messages are dropped instead.
pub(crate) struct OutgoingQueue {
    state: Mutex<State>,
    filled: Notify,
    refused: QueueLosses,
    /// The most bytes of messages that are awaited.
    max_awaited: usize,
    /// In the place of an app: messages that belong to none.
    node: AppIdent,
}

impl OutgoingQueue {
    pub(crate) fn new(bounds: QueueBounds, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            state: Mutex::new(State::new(bounds)),
            filled: Notify::new(),
            refused: QueueLosses::new(QueueKind::Bus, metrics),
            max_awaited: bounds.all,
            node: AppIdent::trusted(""),
        }
    }

    /// Whether an app must not publish now, because of the bytes that wait; counted as refused.
    pub(crate) fn is_full(&self, app: &AppIdent) -> bool {
        let state = self.state.lock();
        let is_full = state.connected
            && (!state.queue.has_space(app, MESSAGE_BYTES)
                || state.awaited_bytes > self.max_awaited);
        drop(state);
        if is_full {
            self.refused.add(app, 1);
        }
        is_full
    }

    /// The bytes of the messages that are not sent, or not sent back.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.state.lock();
        state.queue.bytes() + state.awaited_bytes
    }

    /// Queues a message. `subscribed`: this node receives its topic; then the message is delivered
    /// to `sink` at once while Redis is disconnected.
    pub(crate) fn publish(
        &self,
        message: BusMessage,
        topic: String,
        subscribed: bool,
        sink: &dyn BusSink,
    ) {
        let app = app_of(&message).unwrap_or(&self.node).clone();
        let size = EntrySize::of(bytes_of(&message) + topic.len());
        let mut state = self.state.lock();
        let connected = state.connected;
        if subscribed && !connected {
            state.local.push(message.clone());
        }
        let queued = QueuedMessage {
            item: OutgoingItem::Message(message),
            topic,
            queued: Instant::now(),
            returns: subscribed,
            kept: !connected,
        };
        if connected {
            state.queue.push_accepted(&app, queued, size);
            drop(state);
            self.filled.notify_one();
            return;
        }
        let dropped = state.keep(&app, queued, size);
        drop(state);
        if dropped > 0 {
            self.refused.add(&app, dropped);
        }
        self.deliver_local(sink);
    }

    /// Queues a message that only this node receives.
    pub(crate) fn echo(&self, topic: String) {
        let mut state = self.state.lock();
        if state.connected {
            let echo = QueuedMessage {
                item: OutgoingItem::Echo,
                topic,
                queued: Instant::now(),
                returns: false,
                kept: false,
            };
            let size = EntrySize::of(MESSAGE_BYTES);
            state.queue.push_accepted(&self.node, echo, size);
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Waits for messages to send and takes a batch; [`OutgoingQueue::acknowledge`] must follow when
    /// Redis has accepted it. `route` returns the server of a topic.
    pub(crate) async fn next_batch(&self, route: impl Fn(&str) -> usize) -> Vec<OutgoingEntry> {
        loop {
            let batch = self.state.lock().take_batch(&route);
            if !batch.is_empty() {
                return batch;
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
            state.remove_awaited(sequence);
        }
        if sequence < state.delivered_below {
            return None;
        }
        state
            .remove_awaited(sequence)
            .map(|awaited| (awaited.message, awaited.queued.elapsed()))
    }

    /// Starts sending over new connections, kept messages first.
    pub(crate) fn connected(&self) {
        self.state.lock().connected = true;
        self.filled.notify_one();
    }

    /// Stops sending and delivers all awaited messages locally. Returns how long each was awaited.
    pub(crate) fn disconnected(&self, sink: &dyn BusSink) -> Vec<Duration> {
        let waited = self.state.lock().disconnect();
        self.deliver_local(sink);
        waited
    }

    /// Whether everything has been sent and acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty()
            && state.resend.is_empty()
            && state.newest_dropped.is_empty()
            && state.unacknowledged.is_empty()
    }

    /// Delivers the messages that need no Redis, in order, unless another task is doing so.
    fn deliver_local(&self, sink: &dyn BusSink) {
        drain(&self.state, |state| &mut state.local, sink);
    }
}
