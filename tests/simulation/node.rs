//! One node: the product's core and its WebSocket edge over simulated ports, composed as the binary does it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::hub::Hub;
use pushi::core::model::Limits;
use pushi::core::order::Resequencer;
use pushi::core::ports::{Bus, BusSink, Nodes, Senders, Stores, TokenReader};
use pushi::core::service::{MessageRules, NotificationRules, Ports, Rules, Service, WebhookRules};
use pushi::inbound::websocket::{Destination, Gateway, KeepaliveTiming, dialects};
use pushi::inbound::wire::{event_json, event_push_content, read_further_members};
use pushi::outbound::jwt::JwtTokens;
use pushi::outbound::message_format::OriginalFormat;
use pushi::outbound::metrics::PrometheusMetrics;
use tokio::io::DuplexStream;

use crate::cluster::{Cluster, Link};
use crate::power::{Power, PowerSwitch, Powered};
use crate::receiver::Receivers;
use crate::store::SimulatedStore;
use crate::world::{SimulatedClock, World};

/// What no schedule changes, and takes long to build.
pub(crate) struct Unchanged {
    metrics: Arc<PrometheusMetrics>,
    senders: Senders,
    tokens: Arc<dyn TokenReader>,
}

pub(crate) static UNCHANGED: LazyLock<Unchanged> = LazyLock::new(|| Unchanged {
    metrics: Arc::new(PrometheusMetrics::new().unwrap()),
    senders: pushi_test_support::senders(true, Duration::from_secs(1)),
    tokens: Arc::new(JwtTokens::new()),
});

/// What the nodes of a schedule share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub world: Arc<World>,
    pub cluster: Arc<Cluster>,
    pub stores: Stores,
    pub receivers: Arc<Receivers>,
}

pub(crate) struct Node {
    pub process: u64,
    pub service: Arc<Service>,
    gateway: Arc<Gateway>,
    pub switch: Arc<PowerSwitch>,
    pub store: Arc<SimulatedStore>,
    surroundings: Surroundings,
}

fn rules() -> Rules {
    Rules {
        limits: Limits::default(),
        session_ttl: Duration::from_secs(3600),
        max_token_ttl: Duration::from_secs(3600),
        allowed_origins: Vec::new(),
        retention: None,
        retention_events: None,
        publish_rows: false,
        webhooks: WebhookRules {
            timeout: Duration::from_secs(1),
            retry: Duration::from_secs(24 * 3600),
            single_node: false,
        },
        notifications: NotificationRules {
            enabled: false,
            ..NotificationRules::default()
        },
        messages: MessageRules::default(),
    }
}

impl Node {
    pub(crate) fn start(surroundings: &Surroundings) -> Arc<Self> {
        let Surroundings {
            world,
            cluster,
            stores,
            receivers,
        } = surroundings.clone();
        let process = world.rng.next() >> 11;
        let store = SimulatedStore::new(&world, &stores);
        let stores = store.stores();
        let clock = Arc::new(SimulatedClock {
            world: Arc::clone(&world),
            skew_micros: i64::try_from(world.rng.below(0..200_000)).unwrap(),
        });
        let hub = Arc::new(Hub::new(process, dialects(), UNCHANGED.metrics.clone()));
        let link = Link::open(&cluster, process);
        link.set_hub(&hub);
        let order = Arc::new(Resequencer::new(
            link.clone() as Arc<dyn Bus>,
            Arc::clone(&stores.events),
            clock.clone(),
        ));
        let ports = Ports {
            stores,
            nodes: Nodes {
                bus: order.clone(),
                presence: link.clone(),
                roster: link.clone(),
            },
            notifier: receivers,
            senders: UNCHANGED.senders.clone(),
            format: Arc::new(OriginalFormat),
            render_event: event_json,
            read_extra: read_further_members,
            read_event_push: event_push_content,
            tokens: Arc::clone(&UNCHANGED.tokens),
            clock: clock.clone(),
        };
        let service = Arc::new(Service::new(ports, rules(), Arc::clone(&hub)).unwrap());
        let sink: Arc<dyn BusSink> = service.clone();
        order.set_sink(Arc::downgrade(&sink));
        let sink: Arc<dyn BusSink> = order.clone();
        link.set_sink(Arc::downgrade(&sink));
        hub.set_presence(link.clone());
        let timing = KeepaliveTiming {
            activity: Duration::from_secs(120),
            idle: Duration::ZERO,
            answer: Duration::from_secs(30),
        };
        let node = Arc::new(Self {
            process,
            gateway: Arc::new(Gateway::new(Arc::clone(&service), clock, timing)),
            service,
            switch: Arc::default(),
            store,
            surroundings: surroundings.clone(),
        });
        node.run(link, order);
        node
    }

    fn run(self: &Arc<Self>, link: Arc<Link>, order: Arc<Resequencer>) {
        use std::future::pending;
        let parts = || self.service.parts().clone();
        let (members, appends, apps, hooks, sender, reconciler) =
            (parts(), parts(), parts(), parts(), parts(), parts());
        let gateway = Arc::clone(&self.gateway);
        self.spawn(link.run());
        self.spawn(async move { order.run(pending()).await });
        self.spawn(async move { members.member_changes.run(pending()).await });
        self.spawn(async move { appends.appends.run(pending()).await });
        self.spawn(async move { apps.apps.run(pending()).await });
        self.spawn(async move { hooks.webhooks.run(pending()).await });
        self.spawn(async move { sender.sender.run(pending()).await });
        self.spawn(async move { reconciler.reconciler.run(pending()).await });
        self.spawn(async move { gateway.keep_alive(pending()).await });
    }

    /// Runs a task in this process.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let corked = self.service.hub().cork(task);
        let powered = Powered::new(&self.switch, corked);
        tokio::spawn(self.surroundings.world.watched(powered));
    }

    /// Serves a client's connection.
    pub(crate) fn serve(&self, key: &str, stream: DuplexStream) {
        let gateway = Arc::clone(&self.gateway);
        let target = Destination::Pushi(key.to_owned());
        self.spawn(gateway.serve(target, None, false, None, None, stream));
    }

    pub(crate) fn takes_clients(&self) -> bool {
        self.switch.get() != Power::Off
    }

    /// The process is killed.
    pub(crate) fn crash(&self) {
        let world = &self.surroundings.world;
        world.note(format_args!("{} crashes", self.process));
        world.truth.lock().crashed.insert(self.process);
        self.switch.set(Power::Off);
        self.surroundings.cluster.disconnect(self.process);
    }

    /// Ends everything that disturbs it.
    pub(crate) fn heal(&self) {
        self.store.is_down.store(false, Ordering::Relaxed);
        self.switch.set(Power::On);
        if self.takes_clients() {
            self.surroundings.cluster.set_reachable(self.process, true);
        }
    }
}

/// The current nodes by their places; a crashed one is replaced when it starts again.
pub(crate) type Nodes3 = Arc<Mutex<Vec<Arc<Node>>>>;
