//! One order per channel on every node, by serial, whatever the order of arrival.
//!
//! The [`Resequencer`] is between a bus that several nodes share and the use cases. Over such a bus
//! events do not arrive in the order of their serials, and some may be missed. For each watched
//! channel it keeps the next expected serial: an early event, and what follows it, is held until the
//! missing ones arrive, and after a timeout those are read from the store (backfill). Late and
//! repeated events are dropped. A bus in process needs none of this: there the append queue releases
//! in order.
//!
//! **A watched channel** is one of which this node receives the messages: it has a local subscriber,
//! or had one a moment ago. [`Bus::watch`] makes it one, before the first subscribe is answered; a
//! sweep unwatches it once [`BusSink::wants`] has been false for two rounds. Its head (the newest
//! stored serial) is read after the bus receives its messages, so nothing between the two is missed.
//! Where the store is unavailable, it is read later, and with it the events that were stored since.
//! A peer channel is not watched by its own name: its messages arrive with those of its presence
//! channel. Its sequence begins with the first event that arrives, without a known head, and is
//! dropped after a minute without events.
//!
//! **A lost node** may have stored events that it had no time to send, or could not send because the
//! bus was out of its reach. The others read those from the store, as after an outage of the bus.

mod backfill;
mod catch_up;
mod exclusions;
mod heads;
mod sequence;
mod shard;
mod sweep;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use futures_util::future::join4;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::BusError;
use super::model::{AppIdent, ChannelName, Mid, SocketId, Timestamp};
use super::ports::{Bus, BusHealth, BusMessage, BusSink, Clock, EventStore, NodeQuery, NodeReport};
use backfill::Gaps;
use exclusions::Exclusions;
use heads::HeadRequest;
use sequence::Expected;
use shard::Shards;

/// A bus that delivers persisted events by serial, each once, and unwatches channels without local
/// subscribers.
pub struct Resequencer {
    bus: Arc<dyn Bus>,
    events: Arc<dyn EventStore>,
    sink: OnceLock<Weak<dyn BusSink>>,
    shards: Shards,
    head_requests: Mutex<Vec<HeadRequest>>,
    head_requested: Notify,
    gaps: Mutex<Gaps>,
    gap_added: Notify,
    /// The bus was unavailable and is available again, or a node was lost.
    bus_resumed: Notify,
    /// A node was lost since the last time that this was read.
    node_lost: AtomicBool,
    exclusions: Exclusions,
    clock: Arc<dyn Clock>,
    /// The last time at which the bus was available.
    complete_until: Mutex<Timestamp>,
}

impl Resequencer {
    /// Wraps `bus`; missing events are read from `events`.
    pub fn new(bus: Arc<dyn Bus>, events: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        let complete_until = Mutex::new(clock.now());
        Self {
            bus,
            events,
            sink: OnceLock::new(),
            shards: Shards::default(),
            head_requests: Mutex::default(),
            head_requested: Notify::new(),
            gaps: Mutex::default(),
            gap_added: Notify::new(),
            bus_resumed: Notify::new(),
            node_lost: AtomicBool::new(false),
            exclusions: Exclusions::default(),
            clock,
            complete_until,
        }
    }

    /// Sets the receiver of messages. The first call counts.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    fn sink(&self) -> Option<Arc<dyn BusSink>> {
        self.sink.get().and_then(Weak::upgrade)
    }

    /// Reads heads and missing events, and unwatches channels, until `stop` completes.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let work = join4(
            self.read_heads(),
            self.backfill_gaps(),
            self.catch_up_after_outages(),
            self.sweep(),
        );
        tokio::select! {
            biased;
            _ = work => {}
            () = stop => {}
        }
    }
}

#[async_trait]
impl Bus for Resequencer {
    async fn publish(&self, message: BusMessage) -> Result<(), BusError> {
        self.bus.publish(message).await
    }

    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError> {
        self.shards.watch(app, channel, self.clock.now());
        self.bus.watch(app, channel).await?;
        // The head is read after the bus receives the channel: nothing between the two is missed.
        let needs_head = self
            .shards
            .read(app, channel, |sequence| {
                sequence.expected == Expected::HeadPending
            })
            .unwrap_or(false);
        if needs_head {
            self.wait_for_head(app, channel).await;
        }
        Ok(())
    }

    fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.shards
            .remove(app, channel, || self.bus.unwatch(app, channel));
    }

    fn exclude(&self, mid: &Mid, socket: SocketId) {
        self.exclusions.register(mid, socket);
    }

    fn forget(&self, app: &AppIdent) {
        self.shards.retain(|of, _, sequence| {
            if of == app {
                sequence.restart();
            }
            true
        });
        self.bus.forget(app);
    }

    fn is_full(&self, app: &AppIdent) -> bool {
        self.bus.is_full(app)
    }

    fn queued_bytes(&self) -> u64 {
        self.bus.queued_bytes()
    }

    fn health(&self) -> BusHealth {
        self.bus.health()
    }
}

impl BusSink for Resequencer {
    fn deliver(&self, message: BusMessage) {
        let Some(sink) = self.sink() else { return };
        let Some((app, channel)) = message.channel() else {
            if matches!(message, BusMessage::NodeGone) {
                self.node_lost.store(true, Relaxed);
                self.bus_resumed.notify_one();
            }
            return sink.deliver(message);
        };
        let (app, channel) = (app.clone(), channel.clone());
        let gap = self.shards.accept(&app, &channel, message);
        self.shards.drain(&channel, &*sink);
        if let Some(expected) = gap {
            self.register_gap(app, channel, expected);
        }
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.sink().is_some_and(|sink| sink.wants(app, channel))
    }

    fn report(&self, query: NodeQuery) -> Option<NodeReport> {
        self.sink()?.report(query)
    }

    fn resumed(&self) {
        self.bus_resumed.notify_one();
        if let Some(sink) = self.sink() {
            sink.resumed();
        }
    }
}
