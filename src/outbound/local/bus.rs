//! The bus of a single node.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{OnceLock, Weak};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Mid, ServerEvent, SocketId};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{Bus, BusHealth, BusMessage, BusSink};

/// The number of lanes over which channels are distributed.
const LANES: usize = 64;

/// The bus of a single node: delivers messages to the node itself at once, in order per channel.
///
/// The publishing task delivers, including messages that other tasks append to the same lane
/// meanwhile. So a message causes no task switch, no task waits for the fan-out of another one, and
/// each lane keeps its order.
pub struct LocalBus {
    sink: OnceLock<Weak<dyn BusSink>>,
    lanes: [Mutex<OrderedQueue>; LANES],
}

impl Default for LocalBus {
    fn default() -> Self {
        Self {
            sink: OnceLock::new(),
            lanes: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl LocalBus {
    /// Sets the receiver of messages, which are queued until then; only the first call has an effect.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    /// Queues a message without delivering it, for callers that hold a lock. Returns its lane;
    /// [`LocalBus::drain`] must follow.
    pub(crate) fn enqueue(&self, message: BusMessage) -> usize {
        let lane = lane_of(&message);
        self.lanes[lane].lock().push(message);
        lane
    }

    /// Delivers the messages of a lane, unless another task is doing so.
    pub(crate) fn drain(&self, lane: usize) {
        let Some(sink) = self.sink.get().and_then(Weak::upgrade) else {
            return;
        };
        drain(&self.lanes[lane], |lane| lane, &*sink);
    }
}

fn lane_of(message: &BusMessage) -> usize {
    let subject = match message {
        BusMessage::Broadcast {
            event: ServerEvent::UserStatus { user, .. },
            ..
        } => user.as_str(),
        BusMessage::Broadcast { event, .. } => event.channel().map_or("", ChannelName::as_str),
        BusMessage::AppChanged(_)
        | BusMessage::SessionEnded(_)
        | BusMessage::SubscriptionsChanged { .. }
        | BusMessage::UserTerminated { .. }
        | BusMessage::NodeGone => return 0,
    };
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0)
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, message: BusMessage) -> Result<(), BusError> {
        let lane = self.enqueue(message);
        self.drain(lane);
        Ok(())
    }

    async fn watch(&self, _app: &AppIdent, _channel: &ChannelName) -> Result<(), BusError> {
        // All messages are local.
        Ok(())
    }

    fn unwatch(&self, _app: &AppIdent, _channel: &ChannelName) {}

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {
        // Events are never read from the store.
    }

    fn health(&self) -> BusHealth {
        BusHealth::SingleNode
    }
}
