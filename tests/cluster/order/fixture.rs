//! A resequencer on a store, with a bus and a sink that record what they receive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pushi::core::error::BusError;
use pushi::core::model::{
    AppIdent, AppSettings, ChannelName, Mid, NewEvent, Payload, Position, PushCredentials, Secret,
    ServerEvent, SocketId, Timestamp,
};
use pushi::core::order::Resequencer;
use pushi::core::ports::{Bus, BusHealth, BusMessage, BusSink, Clock, CreateApp, Stores};
use pushi::outbound::storage::memory;
use tokio::time::{Instant, sleep};

pub(super) const APP: &str = "app";

/// A clock that begins at 1000 seconds and follows the time of tokio.
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1000.0).plus(self.0.elapsed())
    }
}

/// Records the calls of the bus.
#[derive(Default)]
pub(super) struct RecordingBus(pub Mutex<Vec<String>>);

#[async_trait]
impl Bus for RecordingBus {
    async fn publish(&self, _message: BusMessage) -> Result<(), BusError> {
        Ok(())
    }

    async fn watch(&self, _app: &AppIdent, channel: &ChannelName) -> Result<(), BusError> {
        self.0.lock().push(format!("+{channel}"));
        Ok(())
    }

    fn unwatch(&self, _app: &AppIdent, channel: &ChannelName) {
        self.0.lock().push(format!("-{channel}"));
    }

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {}

    fn health(&self) -> BusHealth {
        BusHealth::Up
    }
}

/// Records received events: channel and serial (0: not persisted).
pub(super) struct RecordingSink {
    pub received: Mutex<Vec<(String, u64)>>,
    /// The excluded socket of each event.
    pub excepts: Mutex<Vec<Option<SocketId>>>,
    pub wanted: Mutex<bool>,
}

impl BusSink for RecordingSink {
    fn deliver(&self, message: BusMessage) {
        let Some((_, channel)) = message.channel() else {
            return;
        };
        if let BusMessage::Broadcast {
            event: ServerEvent::Published { .. },
            exclude,
            ..
        } = &message
        {
            self.excepts.lock().push(*exclude);
        }
        self.received
            .lock()
            .push((channel.to_string(), message.serial().unwrap_or(0)));
    }

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        *self.wanted.lock()
    }

    fn resumed(&self) {}
}

impl RecordingSink {
    pub(super) fn serials(&self) -> Vec<u64> {
        self.received
            .lock()
            .iter()
            .map(|(_, serial)| *serial)
            .collect()
    }
}

pub(super) struct OrderFixture {
    pub order: Arc<Resequencer>,
    pub sink: Arc<RecordingSink>,
    pub bus: Arc<RecordingBus>,
    pub stores: Stores,
    clock: Arc<TestClock>,
}

impl OrderFixture {
    /// A running resequencer on a memory store with one app.
    pub(super) async fn new() -> Self {
        Self::over(memory::open()).await
    }

    pub(super) async fn over(stores: Stores) -> Self {
        let app = CreateApp {
            ident: AppIdent::trusted(APP),
            name: "an app".into(),
            description: None,
            key: "key".into(),
            secret: Secret::new("secret"),
            push: PushCredentials::default(),
            settings: AppSettings::default(),
            now: Timestamp::default(),
            first: false,
        };
        stores.apps.create(app).await.unwrap();
        let clock = Arc::new(TestClock(Instant::now()));
        let bus = Arc::new(RecordingBus::default());
        let order = Arc::new(Resequencer::new(
            bus.clone(),
            stores.events.clone(),
            clock.clone(),
        ));
        let sink = Arc::new(RecordingSink {
            received: Mutex::default(),
            excepts: Mutex::default(),
            wanted: Mutex::new(true),
        });
        let weak: Weak<RecordingSink> = Arc::downgrade(&sink);
        order.set_sink(weak);
        let working = order.clone();
        tokio::spawn(async move { working.run(std::future::pending()).await });
        Self {
            order,
            sink,
            bus,
            stores,
            clock,
        }
    }

    pub(super) async fn watch(&self, channel: &str) {
        self.order
            .watch(&AppIdent::trusted(APP), &ChannelName::trusted(channel))
            .await
            .unwrap();
    }

    /// Stores an event as a node does; returns the message that the node would publish.
    pub(super) async fn store(&self, channel: &str) -> BusMessage {
        let (event, position) = self.stored_at(channel, self.clock.now()).await;
        BusMessage::published(event, Some(position), None)
    }

    pub(super) async fn stored_at(
        &self,
        channel: &str,
        timestamp: Timestamp,
    ) -> (Arc<NewEvent>, Position) {
        let heads = self
            .stores
            .events
            .heads(&AppIdent::trusted(APP), &[ChannelName::trusted(channel)])
            .await
            .unwrap();
        let event = NewEvent {
            app: AppIdent::trusted(APP),
            mid: Mid(format!("{channel} {}", heads[0]).into()),
            channel: ChannelName::trusted(channel),
            owner_id: None,
            timestamp,
            publish: None,
            payload: Payload {
                event: "e".into(),
                data: "d".into(),
                extra: Default::default(),
            },
        };
        let position = self
            .stores
            .events
            .append(std::slice::from_ref(&event))
            .await
            .remove(0)
            .unwrap();
        (Arc::new(event), position)
    }

    pub(super) async fn until(&self, serials: &[u64]) {
        let begun = Instant::now();
        while self.sink.serials() != serials {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{:?} instead of {serials:?}",
                self.sink.serials()
            );
            sleep(Duration::from_millis(1)).await;
        }
    }
}
