use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pushi::core::auth::random_53_bits;
use pushi::core::fair_queue::QueueBounds;
use pushi::core::hub::Hub;
use pushi::core::ports::{Bus, BusHealth};
use pushi::inbound::websocket::dialects;
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::outbound::redis::{self, RedisAdapters, RedisBus, RedisOptions, RedisTarget};
use pushi_test_support::server_url;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Meeting, Node, RecordingSink};

/// Where Redis is.
pub(crate) async fn url_of_redis() -> Option<String> {
    server_url("PUSHI_TEST_REDIS_URL")
}

/// A hub without clients.
pub(crate) fn hub(process: u64) -> Arc<Hub> {
    let metrics = Arc::new(PrometheusMetrics::new().unwrap());
    Arc::new(Hub::new(process, dialects(), metrics))
}

/// The adapters of a further node, and its hub.
pub(crate) fn open(url: &str) -> (RedisAdapters, Arc<Hub>) {
    let process = random_53_bits().unwrap();
    let hub = hub(process);
    let options = RedisOptions {
        target: RedisTarget::single(url).unwrap(),
        process,
        lease: Duration::from_secs(20),
        queued: QueueBounds::new(0, 0),
        metrics: Arc::clone(hub.metrics()),
    };
    (redis::open(options, &hub), hub)
}

/// Connects a node. Returns what it receives, and a guard that stops it.
pub(crate) async fn connect(
    bus: &Arc<RedisBus>,
    hub: &Arc<Hub>,
) -> (Arc<RecordingSink>, Arc<dyn Any + Send + Sync>) {
    let sink = Arc::new(RecordingSink::default());
    let weak: Weak<RecordingSink> = Arc::downgrade(&sink);
    bus.set_sink(weak);
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(bus).run(Arc::clone(hub), stop.clone()));
    let begun = Instant::now();
    while bus.health() != BusHealth::Up {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "Redis is not reached"
        );
        sleep(Duration::from_millis(1)).await;
    }
    (sink, Arc::new(stop.drop_guard()))
}

/// Nodes that meet in the Redis that `PUSHI_TEST_REDIS_URL` names. All tests use the same database; each has an app of its
/// own.
pub(crate) struct Redis(String);

impl Meeting for Redis {
    async fn start() -> Option<Self> {
        url_of_redis().await.map(Self)
    }

    async fn node(&self) -> Node {
        let (adapters, hub) = open(&self.0);
        let (sink, life) = connect(&adapters.bus, &hub).await;
        Node {
            bus: adapters.bus,
            presence: adapters.presence,
            sink,
            _life: life,
        }
    }

    const SEVERAL: bool = true;
}
