//! A node alone, or one of several.

use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::config::{BusUrl, Settings};
use crate::core::hub::{Corked, FlushScheduler, Hub};
use crate::core::order::Resequencer;
use crate::core::ports::{BusSink, Nodes, Stores};
use crate::core::service::Service;
use crate::outbound::clock::SystemClock;
use crate::outbound::local::{LocalBus, LocalPresence, LocalRoster};
use crate::outbound::redis::{
    RedisBus, RedisNode, RedisNodeOptions, RedisPresence, RedisRoster, Target,
};

/// The adapters that connect this node to the others, and what they need to be started.
pub(super) struct NodeWiring {
    nodes: Nodes,
    kind: Kind,
}

enum Kind {
    /// In this process everything is in order, and nobody else is heard.
    Alone(Arc<LocalBus>),
    /// What comes over Redis is put in order first.
    Several(Arc<RedisNode>, Arc<Resequencer>),
}

/// What the bus does by itself.
pub(super) struct Work {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl NodeWiring {
    pub fn open(
        settings: &Settings,
        process: u64,
        stores: &Stores,
        hub: &Arc<Hub>,
        flusher: &Arc<dyn FlushScheduler>,
    ) -> Result<Self, StartError> {
        let Some(target) = target(settings)? else {
            return Ok(Self::alone(hub));
        };
        let (lease, metrics, flusher) = (
            settings.times.node_lease,
            Arc::clone(hub.metrics()),
            Arc::clone(flusher),
        );
        let mesh = Arc::new(RedisNode::new(RedisNodeOptions {
            target,
            process,
            lease,
            metrics,
            flusher,
        }));
        let bus = Arc::new(RedisBus::new(Arc::clone(&mesh)));
        let order = Arc::new(Resequencer::new(
            bus,
            Arc::clone(&stores.events),
            Arc::new(SystemClock),
        ));
        let presence = Arc::new(RedisPresence::new(Arc::clone(&mesh)));
        let roster = RedisRoster::new(Arc::clone(&mesh), Arc::clone(hub));
        Ok(Self {
            nodes: Nodes {
                bus: order.clone(),
                presence,
                roster,
            },
            kind: Kind::Several(mesh, order),
        })
    }

    fn alone(hub: &Arc<Hub>) -> Self {
        let bus = Arc::new(LocalBus::default());
        let presence = Arc::new(LocalPresence::new(Arc::clone(&bus)));
        let roster = Arc::new(LocalRoster::new(Arc::clone(hub), Arc::clone(&bus)));
        Self {
            nodes: Nodes {
                bus: bus.clone(),
                presence,
                roster,
            },
            kind: Kind::Alone(bus),
        }
    }

    /// The ports.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Sets the receiver of bus messages.
    pub fn set_sink(&self, service: &Arc<Service>) {
        let sink: Weak<Service> = Arc::downgrade(service);
        match &self.kind {
            Kind::Alone(bus) => bus.set_sink(sink),
            Kind::Several(mesh, order) => {
                order.set_sink(sink);
                let order: Arc<dyn BusSink> = order.clone();
                mesh.set_sink(Arc::downgrade(&order));
                // Alone, the hub knows everybody who is present.
                service.hub().set_sink(Arc::clone(&self.nodes.presence));
            }
        }
    }

    /// Begins what the bus does by itself.
    pub fn run(&self) -> Work {
        let work = Work {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        if let Kind::Several(mesh, order) = &self.kind {
            work.tasks.spawn(Arc::clone(mesh).run(work.stop.clone()));
            let (order, stop) = (Arc::clone(order), work.stop.clone());
            let flusher = Arc::clone(mesh.flusher());
            work.tasks.spawn(Corked::new(
                async move { order.run(stop.cancelled()).await },
                flusher,
            ));
        }
        work
    }
}

impl Work {
    /// Ends it; what was published is out when this returns.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Which Redis the settings name; `None`: the node is alone.
fn target(settings: &Settings) -> Result<Option<Target>, StartError> {
    let target = match &settings.bus {
        None => return Ok(None),
        Some(BusUrl::Redis(url)) => Target::single(url.expose()),
        Some(BusUrl::Cluster(nodes)) => Target::cluster(nodes.expose()),
    };
    target
        .map(Some)
        .map_err(|error| StartError::Bus("BUS_URL", error))
}

/// Where the nodes meet, and whether that can be reached now; in one line why not. `None`: the node is alone.
pub async fn look(settings: &Settings) -> Result<Option<(String, Result<(), String>)>, StartError> {
    let Some(target) = target(settings)? else {
        return Ok(None);
    };
    let found = crate::outbound::redis::look(&target).await;
    Ok(Some((target.describe(), found)))
}
