//! One order per channel on every node, by serial, whatever the order of arrival.
//!
//! Between a bus that several nodes share and the use cases. Over such a bus the order of arrival is not the order of
//! serials, and some may be missed. For each watched channel the next serial due is kept: an early event, and what
//! follows it, waits until the missing ones come, and after a moment they are read from the store; late or repeated
//! ones are dropped. A bus in process needs none of this: there the append queue releases in order.

mod reading;
mod shard;
mod sweep;
mod track;
mod unechoed;

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use futures_util::future::join4;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::error::BusError;
use super::model::{AppIdent, ChannelName, Mid, SocketId, Timestamp};
use super::ports::{Bus, BusHealth, BusMessage, BusSink, Clock, EventStore};
use reading::{Gaps, Opening};
use shard::Shards;
use track::Expected;
use unechoed::Exclusions;

/// A bus whose persisted events arrive by serial, each once, and whose channels are let go when nobody wants them.
pub struct Resequencer {
    bus: Arc<dyn Bus>,
    events: Arc<dyn EventStore>,
    sink: OnceLock<Weak<dyn BusSink>>,
    shards: Shards,
    openings: Mutex<Vec<Opening>>,
    opening: Notify,
    late: Mutex<Gaps>,
    lateness: Notify,
    gap: Notify,
    unechoed: Exclusions,
    clock: Arc<dyn Clock>,
    /// Until when nothing was missed.
    heard_until: Mutex<Timestamp>,
}

impl Resequencer {
    /// Around a bus; what is missed is read from `events`.
    pub fn new(bus: Arc<dyn Bus>, events: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        let heard_until = Mutex::new(clock.now());
        Self {
            bus,
            events,
            sink: OnceLock::new(),
            shards: Shards::default(),
            openings: Mutex::default(),
            opening: Notify::new(),
            late: Mutex::default(),
            lateness: Notify::new(),
            gap: Notify::new(),
            unechoed: Exclusions::default(),
            clock,
            heard_until,
        }
    }

    /// Says who takes what arrives. The first to be attached stays.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        let _ = self.sink.set(sink);
    }

    fn sink(&self) -> Option<Arc<dyn BusSink>> {
        self.sink.get().and_then(Weak::upgrade)
    }

    /// Reads heads and what is missing, and lets go of what nobody wants, until `stop` ends.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let work = join4(
            self.read_heads(),
            self.read_late(),
            self.read_gaps(),
            self.sweep(),
        );
        tokio::select! {
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
        self.shards.with(app, channel, |track| track.idle = false);
        self.bus.watch(app, channel).await?;
        // The head is read after the channel is heard: nothing can come between the two.
        let waits = self
            .shards
            .peek(app, channel, |track| track.due == Expected::Opening)
            .unwrap_or(false);
        if waits {
            let (opened, wait) = oneshot::channel();
            self.openings.lock().push(Opening {
                app: app.clone(),
                channel: channel.clone(),
                opened,
            });
            self.opening.notify_one();
            // A store that is away does not keep anybody from hearing a channel.
            let _ = tokio::time::timeout(reading::PATIENCE, wait).await;
        }
        Ok(())
    }

    fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.shards
            .remove(app, channel, || self.bus.unwatch(app, channel));
    }

    fn exclude(&self, mid: &Mid, socket: SocketId) {
        self.unechoed.note(mid, socket);
    }

    fn health(&self) -> BusHealth {
        self.bus.health()
    }
}

impl BusSink for Resequencer {
    fn deliver(&self, message: BusMessage) {
        let Some(sink) = self.sink() else { return };
        let Some((app, channel)) = message.channel() else {
            return sink.deliver(message);
        };
        let (app, channel) = (app.clone(), channel.clone());
        let late = self.shards.take(&app, &channel, message);
        self.shards.drain(&channel, &*sink);
        if let Some(due) = late {
            self.note_late(app, channel, due);
        }
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.sink().is_some_and(|sink| sink.wants(app, channel))
    }

    fn resumed(&self) {
        self.gap.notify_one();
        if let Some(sink) = self.sink() {
            sink.resumed();
        }
    }
}
