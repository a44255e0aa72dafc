//! The adapters between nodes: of a single node, or of a Redis cluster.

use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;

use super::StartError;
use super::tasks::Tasks;
use crate::config::{BusUrl, Settings};
use crate::core::fair_queue::QueueBounds;
use crate::core::hub::Hub;
use crate::core::order::Resequencer;
use crate::core::ports::{BusSink, Nodes, Stores};
use crate::core::service::Service;
use crate::outbound::clock::SystemClock;
use crate::outbound::local::{LocalBus, LocalPresence, LocalRoster};
use crate::outbound::redis::{self, RedisAdapters, RedisBus, RedisOptions, RedisTarget};

/// The adapters that connect this node to the others.
pub(super) struct NodeWiring {
    nodes: Nodes,
    kind: Kind,
}

enum Kind {
    /// Messages stay in this process, in order.
    SingleNode(Arc<LocalBus>),
    /// Messages arrive over Redis, and are put in order first.
    Cluster(Arc<RedisBus>, Arc<Resequencer>),
}

impl NodeWiring {
    pub(super) fn open(
        settings: &Settings,
        process: u64,
        stores: &Stores,
        hub: &Arc<Hub>,
    ) -> Result<Self, StartError> {
        let Some(target) = target(settings)? else {
            return Ok(Self::single_node(hub));
        };
        let (lease, metrics) = (settings.times.node_lease, Arc::clone(hub.metrics()));
        let options = RedisOptions {
            target,
            process,
            lease,
            queued: QueueBounds::new(
                settings.limits.queued_bytes,
                settings.limits.queued_bytes_all,
            ),
            metrics,
        };
        let RedisAdapters {
            bus,
            presence,
            roster,
        } = redis::open(options, hub);
        let order = Arc::new(Resequencer::new(
            bus.clone(),
            Arc::clone(&stores.events),
            Arc::new(SystemClock),
        ));
        Ok(Self {
            nodes: Nodes {
                bus: order.clone(),
                presence,
                roster,
            },
            kind: Kind::Cluster(bus, order),
        })
    }

    fn single_node(hub: &Arc<Hub>) -> Self {
        let bus = Arc::new(LocalBus::default());
        let presence = Arc::new(LocalPresence::new(Arc::clone(&bus)));
        let roster = Arc::new(LocalRoster::new(Arc::clone(hub), Arc::clone(&bus)));
        Self {
            nodes: Nodes {
                bus: bus.clone(),
                presence,
                roster,
            },
            kind: Kind::SingleNode(bus),
        }
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Sets the receiver of bus messages.
    pub(super) fn set_sink(&self, service: &Arc<Service>) {
        let sink: Weak<Service> = Arc::downgrade(service);
        match &self.kind {
            Kind::SingleNode(bus) => bus.set_sink(sink),
            Kind::Cluster(bus, order) => {
                order.set_sink(sink);
                let order: Arc<dyn BusSink> = order.clone();
                bus.set_sink(Arc::downgrade(&order));
                // On a single node the hub itself has all members.
                service.hub().set_presence(Arc::clone(&self.nodes.presence));
            }
        }
    }

    /// Spawns the tasks of the bus. When they have ended after `stop`, all published messages have been sent.
    pub(super) fn run(&self, hub: &Arc<Hub>, tasks: &Tasks, stop: &CancellationToken) {
        if let Kind::Cluster(bus, order) = &self.kind {
            let (bus, order) = (Arc::clone(bus), Arc::clone(order));
            let (hub, token) = (Arc::clone(hub), stop.clone());
            tasks.spawn(stop, "redis node", |_| bus.run(hub, token));
            tasks.spawn(
                stop,
                "resequencer",
                |stop| async move { order.run(stop).await },
            );
        }
    }
}

/// The configured Redis; `None`: a single node.
fn target(settings: &Settings) -> Result<Option<RedisTarget>, StartError> {
    let target = match &settings.bus {
        None => return Ok(None),
        Some(BusUrl::Redis(url)) => RedisTarget::single(url.expose()),
        Some(BusUrl::Cluster(nodes)) => RedisTarget::cluster(nodes.expose()),
    };
    target
        .map(Some)
        .map_err(|error| StartError::Bus("BUS_URL", error))
}

/// The configured Redis and whether it can be reached; the error is one line. `None`: a single node.
///
/// # Errors
/// The bus's URL cannot be used.
pub async fn check_bus(
    settings: &Settings,
) -> Result<Option<(String, Result<(), String>)>, StartError> {
    let Some(target) = target(settings)? else {
        return Ok(None);
    };
    let found = redis::check_reachable(&target).await;
    Ok(Some((target.describe(), found)))
}
