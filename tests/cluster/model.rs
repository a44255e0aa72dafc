//! Random joins, leaves, crashes and publishes over three nodes, against a simple model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use pushi::core::auth::random_53_bits;
use pushi::core::fair_queue::QueueBounds;
use pushi::core::hub::Hub;
use pushi::core::model::{
    AppIdent, AppSettings, ChannelName, Member, Mid, NewEvent, Payload, PushCredentials, Secret,
    ServerEvent, SocketId, Timestamp, UserId,
};
use pushi::core::order::Resequencer;
use pushi::core::ports::{Bus, BusHealth, BusMessage, BusSink, CreateApp, PresenceStore, Stores};
use pushi::inbound::websocket::dialects;
use pushi::outbound::clock::SystemClock;
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::outbound::redis::{self, RedisBus, RedisOptions, RedisTarget};
use pushi::outbound::storage::memory;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::redis::Redis;

const NODES: usize = 3;
const USERS: [&str; 4] = ["ann", "bo", "cy", "dee"];
const LEASE: Duration = Duration::from_millis(600);

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Another connection of a user to a node.
    Join(usize, usize),
    /// One of the connections leaves.
    Leave(prop::sample::Index),
    /// Something is stored and published by a node.
    Publish(usize),
    /// A node dies without a word, and another takes its place.
    Crash(usize),
    /// Redis stops and restarts empty.
    Outage,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..NODES, 0..USERS.len()).prop_map(|(node, user)| Step::Join(node, user)),
        6 => any::<prop::sample::Index>().prop_map(Step::Leave),
        6 => (0..NODES).prop_map(Step::Publish),
        1 => (0..NODES).prop_map(Step::Crash),
        1 => Just(Step::Outage),
    ]
}

/// Applies what a node receives to a member list.
#[derive(Default)]
struct MemberSink {
    /// Who is there, as its clients have it.
    members: Mutex<BTreeSet<String>>,
    serials: Mutex<Vec<u64>>,
    wrong: Mutex<Vec<String>>,
}

impl BusSink for MemberSink {
    fn deliver(&self, message: BusMessage) {
        let mut members = self.members.lock();
        match message {
            BusMessage::Broadcast {
                event: ServerEvent::Published { position, .. },
                ..
            } => self
                .serials
                .lock()
                .extend(position.map(|position| position.serial)),
            BusMessage::Broadcast {
                event: ServerEvent::MemberAdded { member, .. },
                ..
            } => {
                if !members.insert(member.user_id.to_string()) {
                    self.wrong
                        .lock()
                        .push(format!("{} came twice", member.user_id));
                }
            }
            BusMessage::Broadcast {
                event: ServerEvent::MemberRemoved { member, .. },
                ..
            } => {
                if !members.remove(member.user_id.as_str()) {
                    self.wrong
                        .lock()
                        .push(format!("{} left twice", member.user_id));
                }
            }
            BusMessage::NodeGone => {}
            other => self.wrong.lock().push(format!("{other:?}")),
        }
    }

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        true
    }

    fn resumed(&self) {}
}

/// A node in this process.
struct Node {
    order: Arc<Resequencer>,
    presence: Arc<dyn PresenceStore>,
    bus: Arc<RedisBus>,
    sink: Arc<MemberSink>,
    /// Dropped, they end without a word.
    _tasks: JoinSet<()>,
}

struct World {
    redis: Redis,
    stores: Stores,
    app: AppIdent,
    room: ChannelName,
    nodes: Vec<Node>,
    /// The model: the connections with their nodes and users.
    connections: Vec<(usize, SocketId, UserId)>,
    published: u64,
    /// The serial from which each node must have received everything.
    since: Vec<u64>,
}

impl World {
    async fn new() -> Self {
        let stores = memory::open();
        let app = AppIdent::trusted("app");
        let create = CreateApp {
            ident: app.clone(),
            name: "an app".into(),
            description: None,
            key: "key".into(),
            secret: Secret::new("secret"),
            push: PushCredentials::default(),
            settings: AppSettings::default(),
            now: Timestamp::default(),
            first: false,
        };
        stores.apps.create(create).await.unwrap();
        let room = ChannelName::trusted("presence-room");
        let redis = Redis::start().await;
        let mut world = Self {
            redis,
            stores,
            app,
            room,
            nodes: Vec::new(),
            connections: Vec::new(),
            published: 0,
            since: vec![0; NODES],
        };
        for _ in 0..NODES {
            let node = world.node().await;
            world.nodes.push(node);
        }
        world
    }

    async fn node(&self) -> Node {
        let target =
            RedisTarget::single(&format!("redis://127.0.0.1:{}", self.redis.port)).unwrap();
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let process = random_53_bits().unwrap();
        let hub = Arc::new(Hub::new(process, dialects(), metrics.clone()));
        let options = RedisOptions {
            target,
            process,
            lease: LEASE,
            queued: QueueBounds::new(0, 0),
            metrics,
        };
        let adapters = redis::open(options, &hub);
        let bus = adapters.bus;
        let order = Arc::new(Resequencer::new(
            bus.clone(),
            Arc::clone(&self.stores.events),
            Arc::new(SystemClock),
        ));
        let sink = Arc::new(MemberSink::default());
        let port: Weak<MemberSink> = Arc::downgrade(&sink);
        order.set_sink(port);
        let port: Arc<dyn BusSink> = order.clone();
        bus.set_sink(Arc::downgrade(&port));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&bus).run(hub, CancellationToken::new()));
        let working = Arc::clone(&order);
        tasks.spawn(async move { working.run(std::future::pending()).await });
        let node = Node {
            order,
            presence: adapters.presence,
            bus,
            sink,
            _tasks: tasks,
        };
        until_up(&node).await;
        node.order.watch(&self.app, &self.room).await.unwrap();
        node
    }

    async fn take(&mut self, step: &Step, counter: u64) {
        match step {
            Step::Join(node, user) => {
                let (socket, user) = (
                    SocketId {
                        process: 7,
                        counter,
                    },
                    UserId::parse(USERS[*user]).unwrap(),
                );
                let member = Member {
                    user_id: user.clone(),
                    data: "{}".into(),
                    peer: false,
                };
                let joined = self.nodes[*node]
                    .presence
                    .join(&self.app, &self.room, socket, member, 0)
                    .await
                    .unwrap()
                    .unwrap();
                assert!(joined.members.iter().any(|member| member.user_id == user));
                self.connections.push((*node, socket, user));
            }
            Step::Leave(index) if !self.connections.is_empty() => {
                let (node, socket, user) =
                    self.connections.remove(index.index(self.connections.len()));
                self.nodes[node]
                    .presence
                    .leave(&self.app, &self.room, socket, &user)
                    .await
                    .unwrap();
            }
            Step::Leave(_) => {}
            Step::Publish(node) => {
                let message = self.store().await;
                self.nodes[*node].order.publish(message).await.unwrap();
            }
            Step::Crash(node) => {
                self.connections.retain(|(other, ..)| other != node);
                self.since[*node] = self.published;
                self.nodes[*node] = self.node().await;
                // A dead member may be listed until the lease expires, not after it.
                self.settle().await;
            }
            Step::Outage => {
                self.redis.kill();
                self.redis.restart(false).await;
                for node in &self.nodes {
                    until_up(node).await;
                }
            }
        }
    }

    /// Stores an event; returns the message that its node has to send.
    async fn store(&mut self) -> BusMessage {
        self.published += 1;
        let event = NewEvent {
            app: self.app.clone(),
            mid: Mid(self.published.to_string().into()),
            channel: self.room.clone(),
            owner_id: None,
            timestamp: Timestamp::default(),
            publish: None,
            payload: Payload {
                event: "e".into(),
                data: "".into(),
                extra: Default::default(),
            },
        };
        let stored = self.stores.events.append(std::slice::from_ref(&event));
        let position = stored.await.remove(0).unwrap();
        BusMessage::published(Arc::new(event), Some(position), None)
    }

    fn members(&self) -> BTreeSet<String> {
        self.connections
            .iter()
            .map(|(_, _, user)| user.to_string())
            .collect()
    }

    /// Waits until every node lists and has announced the state of the model.
    async fn settle(&self) {
        let begun = Instant::now();
        for (index, node) in self.nodes.iter().enumerate() {
            let expected = self.members();
            loop {
                let shown = node.presence.members(&self.app, &self.room).await.unwrap();
                let shown: BTreeSet<String> = shown
                    .iter()
                    .map(|member| member.user_id.to_string())
                    .collect();
                let told = node.sink.members.lock().clone();
                let serials = node.sink.serials.lock().clone();
                let all: Vec<u64> = (self.since[index] + 1..=self.published).collect();
                assert!(
                    node.sink.wrong.lock().is_empty(),
                    "{:?}",
                    node.sink.wrong.lock()
                );
                assert!(
                    all.starts_with(&serials),
                    "node {index}: {serials:?} instead of {all:?}"
                );
                if shown == expected && told == expected && serials == all {
                    break;
                }
                let what =
                    BTreeMap::from([("expected", &expected), ("shown", &shown), ("told", &told)]);
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "node {index}: {what:?}, {serials:?} of {all:?}"
                );
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

async fn until_up(node: &Node) {
    let begun = Instant::now();
    while node.bus.health() != BusHealth::Up {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "Redis is not reached"
        );
        sleep(Duration::from_millis(1)).await;
    }
}

/// Needs a Redis, as the tests with the real binary do.
fn has_redis() -> bool {
    std::env::var_os("PUSHI_TEST_REDIS_URL").is_some()
        || std::env::var("CI").as_deref() == Ok("true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_reads_what_a_failed_one_could_not_send() {
    if !has_redis() {
        return;
    }
    let mut world = World::new().await;
    world.store().await;
    drop(world.nodes.remove(0));
    // All see the loss, although one of them alone removes what the node had.
    world.settle().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nodes_agree_with_a_simple_model(steps in prop::collection::vec(step(), 1..60)) {
        if has_redis() {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let mut world = World::new().await;
                for (counter, step) in steps.iter().enumerate() {
                    world.take(step, counter as u64 + 1).await;
                }
                world.settle().await;
            });
        }
    }
}
