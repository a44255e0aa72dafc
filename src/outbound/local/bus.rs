//! The bus of a node that is alone.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{OnceLock, Weak};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Mid, ServerEvent, SocketId};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{Bus, BusHealth, BusMessage, BusSink};

/// Channels are spread over so many lanes; a power of two.
const LANES: usize = 64;

/// The bus of a node that is alone: what it publishes comes back to it at once, in order per channel.
///
/// Whoever publishes delivers, and takes along what others put into the same lane meanwhile. So a message costs no
/// change of task, nobody waits for another's fan-out, and still a lane has one order.
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
    /// Says who takes what arrives; until then it waits. The first to be attached stays.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    /// Puts a message in its place without delivering it, for callers that hold a lock; [`LocalBus::drain`] must follow.
    pub(crate) fn enqueue(&self, message: BusMessage) -> usize {
        let lane = lane_of(&message);
        self.lanes[lane].lock().push(message);
        lane
    }

    /// Delivers what waits in a lane, unless somebody is at it.
    pub(crate) fn drain(&self, lane: usize) {
        let Some(sink) = self.sink.get().and_then(Weak::upgrade) else {
            return;
        };
        drain(&self.lanes[lane], |line| line, &*sink);
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
        // Everything that there is arrives anyway.
        Ok(())
    }

    fn unwatch(&self, _app: &AppIdent, _channel: &ChannelName) {}

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {
        // Nothing is read from the store.
    }

    fn health(&self) -> BusHealth {
        BusHealth::SingleNode
    }
}
