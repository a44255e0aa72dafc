use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pushi::core::auth::random_53_bits;
use pushi::core::ports::BusHealth;
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::outbound::redis::{RedisBus, RedisNode, RedisNodeOptions, RedisPresence, Target};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Ear, Meeting, Node};
use crate::roster::nodes::hub;
use crate::servers::url_of_server;

/// Where Redis is.
pub async fn url_of_redis() -> Option<String> {
    url_of_server("PUSHI_TEST_REDIS_URL")
}

/// A node's part in the mesh.
pub fn mesh(url: &str) -> Arc<RedisNode> {
    let (target, lease) = (Target::single(url).unwrap(), Duration::from_secs(20));
    let metrics = Arc::new(PrometheusMetrics::new().unwrap());
    let options = RedisNodeOptions {
        target,
        process: random_53_bits().unwrap(),
        lease,
        metrics,
    };
    Arc::new(RedisNode::new(options))
}

/// Begins to take part: what the node hears, and what ends with it.
pub async fn live(mesh: &Arc<RedisNode>) -> (Arc<Ear>, Arc<dyn Any + Send + Sync>) {
    let ear = Arc::new(Ear::default());
    let sink: Weak<Ear> = Arc::downgrade(&ear);
    mesh.set_sink(sink);
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(mesh).run(hub(mesh.process()), stop.clone()));
    let begun = Instant::now();
    while mesh.health() != BusHealth::Up {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "Redis is not reached"
        );
        sleep(Duration::from_millis(1)).await;
    }
    (ear, Arc::new(stop.drop_guard()))
}

/// Nodes that meet in the Redis that `PUSHI_TEST_REDIS_URL` names. All tests use the same database; each has an app of its
/// own.
pub struct Redis(String);

impl Meeting for Redis {
    async fn start() -> Option<Self> {
        url_of_redis().await.map(Self)
    }

    async fn node(&self) -> Node {
        let mesh = mesh(&self.0);
        let (ear, life) = live(&mesh).await;
        let presence = Arc::new(RedisPresence::new(Arc::clone(&mesh)));
        Node {
            bus: Arc::new(RedisBus::new(mesh)),
            presence,
            ear,
            _life: life,
        }
    }

    const SEVERAL: bool = true;
}
