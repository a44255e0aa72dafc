//! One order per channel, whatever the order of arrival.

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
use pushi::outbound::storage::sql::sqlite::{self, SqliteOptions};
use tokio::time::{Instant, advance, pause, sleep};

const APP: &str = "app";

/// Always the same time, which samples are stored around.
struct At;

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1000.0)
    }
}

/// Notes what is asked of the bus.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

#[async_trait]
impl Bus for Asked {
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

/// Notes what arrives: channel and serial (0: not persisted).
struct Ear {
    heard: Mutex<Vec<(String, u64)>>,
    /// Whom each event left out.
    excepts: Mutex<Vec<Option<SocketId>>>,
    wanted: Mutex<bool>,
}

impl BusSink for Ear {
    fn deliver(&self, message: BusMessage) {
        let (_, channel) = message.channel().unwrap();
        if let BusMessage::Broadcast {
            event: ServerEvent::Published { .. },
            exclude,
            ..
        } = &message
        {
            self.excepts.lock().push(*exclude);
        }
        self.heard
            .lock()
            .push((channel.to_string(), message.serial().unwrap_or(0)));
    }

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        *self.wanted.lock()
    }

    fn resumed(&self) {}
}

impl Ear {
    fn serials(&self) -> Vec<u64> {
        self.heard
            .lock()
            .iter()
            .map(|(_, serial)| *serial)
            .collect()
    }
}

struct Scene {
    order: Arc<Resequencer>,
    ear: Arc<Ear>,
    asked: Arc<Asked>,
    stores: Stores,
}

impl Scene {
    /// With a store that holds an app, and the order at work.
    async fn new() -> Self {
        Self::over(memory::open()).await
    }

    async fn over(stores: Stores) -> Self {
        let app = CreateApp {
            ident: AppIdent::trusted(APP),
            name: "an app".into(),
            description: None,
            key: "key".into(),
            secret: Secret::new("secret"),
            push: PushCredentials::default(),
            settings: AppSettings::default(),
            now: Timestamp::default(),
        };
        stores.apps.create(app).await.unwrap();
        let asked = Arc::new(Asked::default());
        let order = Arc::new(Resequencer::new(
            asked.clone(),
            stores.events.clone(),
            Arc::new(At),
        ));
        let ear = Arc::new(Ear {
            heard: Mutex::default(),
            excepts: Mutex::default(),
            wanted: Mutex::new(true),
        });
        let sink: Weak<Ear> = Arc::downgrade(&ear);
        order.set_sink(sink);
        let working = order.clone();
        tokio::spawn(async move { working.run(std::future::pending()).await });
        Self {
            order,
            ear,
            asked,
            stores,
        }
    }

    async fn watch(&self, channel: &str) {
        self.order
            .watch(&AppIdent::trusted(APP), &ChannelName::trusted(channel))
            .await
            .unwrap();
    }

    /// Stores an event as some node does; answers what that node would publish.
    async fn store(&self, channel: &str) -> BusMessage {
        let (event, position) = self
            .stored_at(channel, Timestamp::from_seconds(1000.0))
            .await;
        BusMessage::published(event, Some(position), None)
    }

    async fn stored_at(&self, channel: &str, timestamp: Timestamp) -> (Arc<NewEvent>, Position) {
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
                extra: "".into(),
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

    async fn until(&self, serials: &[u64]) {
        let begun = Instant::now();
        while self.ear.serials() != serials {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{:?} instead of {serials:?}",
                self.ear.serials()
            );
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrives_early_waits_and_is_not_read_where_the_rest_comes_in_time() {
    let scene = Scene::new().await;
    scene.watch("c").await;
    let (one, two) = (scene.store("c").await, scene.store("c").await);
    scene.order.deliver(two);
    sleep(Duration::from_millis(190)).await;
    assert_eq!(scene.ear.serials(), [0; 0]);
    scene.order.deliver(one);
    assert_eq!(scene.ear.serials(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_within_a_moment_is_read_from_the_store() {
    let scene = Scene::new().await;
    scene.watch("c").await;
    let one = scene.store("c").await;
    scene.store("c").await;
    let three = scene.store("c").await;
    let begun = Instant::now();
    scene.order.deliver(three);
    scene.until(&[1, 2, 3]).await;
    assert!(
        (200..300).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    scene.order.deliver(one);
    assert_eq!(
        scene.ear.serials(),
        [1, 2, 3],
        "what comes late after all is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_before_the_channel_was_watched_is_not_news() {
    let scene = Scene::new().await;
    let old = scene.store("c").await;
    scene.watch("c").await;
    let new = scene.store("c").await;
    scene.order.deliver(old);
    scene.order.deliver(new);
    assert_eq!(scene.ear.serials(), [2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_any_more_is_given_up() {
    let scene = Scene::new().await;
    scene.watch("c").await;
    for _ in 0..3 {
        scene.store("c").await;
    }
    let last = scene.store("c").await;
    let pruning = pushi::core::ports::Pruning {
        before: None,
        keep: Some(2),
    };
    scene.stores.events.prune(pruning, 100).await.unwrap();
    scene.order.deliver(last);
    scene.until(&[3, 4]).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_every_watched_channel_gets_what_it_missed() {
    let scene = Scene::new().await;
    let channels: Vec<String> = (0..1200).map(|n| format!("c{n}")).collect();
    for channel in &channels {
        scene.watch(channel).await;
    }
    for channel in &channels {
        scene.store(channel).await;
    }
    for _ in 0..2500 {
        scene.store("c7").await;
    }
    scene.order.resumed();
    let begun = Instant::now();
    while scene.ear.heard.lock().len() < 1200 + 2500 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(1)).await;
    }
    let heard = scene.ear.heard.lock().clone();
    let of_one: Vec<u64> = heard
        .iter()
        .filter(|(channel, _)| channel == "c7")
        .map(|(_, serial)| *serial)
        .collect();
    assert_eq!(of_one, (1..=2501).collect::<Vec<u64>>());
    assert!(
        channels
            .iter()
            .all(|channel| heard.contains(&(channel.clone(), 1)))
    );
}

#[tokio::test]
async fn a_store_that_is_away_keeps_nobody_from_hearing_a_channel() {
    let options = SqliteOptions {
        path: None,
        timeout: Duration::from_secs(30),
        readers: 1,
    };
    let scene = Scene::over(sqlite::open(options).await.unwrap()).await;
    scene.watch("other").await;
    let message = scene.store("other").await;
    let one = scene.store("c").await;
    scene.stores.database.close().await;
    pause();
    scene.watch("c").await;
    scene.order.deliver(one);
    assert_eq!(scene.ear.serials(), [1], "the first ever misses nothing");
    let BusMessage::Broadcast {
        event: ServerEvent::Published { event, .. },
        ..
    } = message
    else {
        panic!()
    };
    let unpersisted = BusMessage::published(event.clone(), None, None);
    let early = BusMessage::published(event, Some(Position { id: 9, serial: 9 }), None);
    scene.order.deliver(unpersisted);
    scene.order.deliver(early);
    assert_eq!(scene.ear.serials(), [1, 0]);
    sleep(Duration::from_secs(9)).await;
    assert_eq!(
        scene.ear.serials(),
        [1, 0],
        "it is asked for again and again"
    );
    scene.until(&[1, 0, 9]).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_nobody_wants_is_let_go_a_moment_later() {
    let scene = Scene::new().await;
    scene.watch("c").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(*scene.asked.0.lock(), ["+c"]);
    *scene.ear.wanted.lock() = false;
    advance(Duration::from_millis(1100)).await;
    assert_eq!(
        *scene.asked.0.lock(),
        ["+c"],
        "who comes back at once finds it still watched"
    );
    let begun = Instant::now();
    while *scene.asked.0.lock() != ["+c", "-c"] {
        assert!(begun.elapsed() < Duration::from_secs(3));
        sleep(Duration::from_millis(10)).await;
    }
    scene.watch("c").await;
    assert_eq!(*scene.asked.0.lock(), ["+c", "-c", "+c"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_peer_channel_only_what_may_still_be_on_its_way_is_waited_for() {
    let scene = Scene::new().await;
    let at = Timestamp::from_seconds;
    let send = |(event, position)| {
        scene
            .order
            .deliver(BusMessage::published(event, Some(position), None))
    };
    scene.stored_at("peer-a:u1&u2", at(1000.0)).await;
    send(scene.stored_at("peer-a:u1&u2", at(1003.0)).await);
    let begun = Instant::now();
    scene.until(&[2]).await;
    assert!(
        begun.elapsed() < Duration::from_millis(50),
        "the one before is long gone"
    );

    let first = scene.stored_at("peer-b:u1&u2", at(1000.0)).await;
    let second = scene.stored_at("peer-b:u1&u2", at(1001.0)).await;
    send(second);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(scene.ear.serials(), [2], "the one before may be late");
    send(first);
    scene.until(&[2, 1, 2]).await;
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn who_published_without_echo_does_not_hear_it_from_the_store_either() {
    let scene = Scene::new().await;
    scene.watch("c").await;
    let socket = SocketId {
        process: 1,
        counter: 2,
    };
    // It is read before the node that stored it has come to publish it.
    scene.order.exclude(&Mid("c 0".into()), socket);
    scene.store("c").await;
    scene.store("c").await;
    scene.order.resumed();
    scene.until(&[1, 2]).await;
    assert_eq!(*scene.ear.excepts.lock(), [Some(socket), None]);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_new_peer_channels_get_what_they_missed_and_no_more() {
    let scene = Scene::new().await;
    scene.watch("presence-a").await;
    let old = Timestamp::from_seconds(900.0);
    scene.stored_at("peer-a:u1&u2", old).await;
    scene.stored_at("peer-a:u1&u3", old).await;
    scene
        .stored_at("peer-a:u1&u3", Timestamp::from_seconds(1001.0))
        .await;
    scene
        .stored_at("peer-a:u1&u3", Timestamp::from_seconds(1001.0))
        .await;
    scene.order.resumed();
    scene.until(&[2, 3]).await;
    assert!(
        scene
            .ear
            .heard
            .lock()
            .iter()
            .all(|(channel, _)| channel == "peer-a:u1&u3")
    );
}
