//! The overview of all nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem_openapi::{Object, OpenApi};

use super::names;
use crate::core::ports::NodeSample;
use crate::core::service::SAMPLE_INTERVAL;
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::health::{DetailedHealth, HealthRoutes};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

/// What was measured in one interval.
#[derive(Debug, Object)]
#[oai(rename = "Sample")]
pub(in crate::inbound::rest) struct ShownSample {
    /// End of the interval, in seconds since 1970.
    pub time: f64,
    /// Number of live connections.
    pub connections: u64,
    /// Number of channels with subscriptions.
    pub channels: u64,
    /// Publishes a second.
    pub publishes: f64,
    /// Deliveries to connections a second.
    pub deliveries: f64,
    /// Number of connections that were closed in the interval because they read too slowly.
    pub slow_readers: u64,
    /// Number of error frames and of failed calls of the store and the bus in the interval.
    pub errors: u64,
    /// Mean duration of calls of the store in milliseconds; absent if there were none.
    #[oai(skip_serializing_if_is_none)]
    pub store_ms: Option<f64>,
    /// Mean duration of messages through the bus in milliseconds; absent if there were none.
    #[oai(skip_serializing_if_is_none)]
    pub bus_ms: Option<f64>,
}

/// What a node measured.
#[derive(Debug, Object)]
#[oai(rename = "NodeOverview")]
pub(in crate::inbound::rest) struct ShownNode {
    /// The node: the part before the dot of its socket ids.
    pub node: String,
    /// Number of live connections.
    pub connections: u64,
    /// Number of channels with subscriptions on the node.
    pub channels: u64,
    /// Time of the node's start, in seconds since 1970.
    pub started: f64,
    /// The samples of up to 15 minutes, oldest first.
    pub samples: Vec<ShownSample>,
}

/// What all nodes measured.
#[derive(Debug, Object)]
#[oai(rename = "OverviewTotal")]
pub(in crate::inbound::rest) struct ShownTotal {
    /// Number of live connections.
    pub connections: u64,
    /// Number of channels with subscriptions, added over the nodes: a channel on two nodes counts twice.
    pub channels: u64,
    /// The sums of the nodes' samples, and the means of their durations, oldest first.
    pub samples: Vec<ShownSample>,
}

/// The overview.
#[derive(Debug, Object)]
#[oai(rename = "Overview")]
pub(in crate::inbound::rest) struct ShownOverview {
    /// The server's version.
    pub version: String,
    /// The server's time, in seconds since 1970.
    pub time: f64,
    /// Seconds between samples.
    pub interval: u64,
    /// The nodes.
    pub nodes: Vec<ShownNode>,
    pub total: ShownTotal,
    #[oai(skip_serializing_if_is_none)]
    pub health: Option<DetailedHealth>,
    /// Nodes that did not answer in time.
    pub silent_nodes: Vec<String>,
}

impl From<&NodeSample> for ShownSample {
    fn from(sample: &NodeSample) -> Self {
        let a_second = |count: u64| count as f64 / SAMPLE_INTERVAL.as_secs_f64();
        let mean =
            |(calls, seconds): (u64, f64)| (calls > 0).then(|| seconds * 1000.0 / calls as f64);
        Self {
            time: sample.at.seconds(),
            connections: sample.connections,
            channels: sample.channels,
            publishes: a_second(sample.publishes),
            deliveries: a_second(sample.deliveries),
            slow_readers: sample.slow_readers,
            errors: sample.errors,
            store_ms: mean(sample.store),
            bus_ms: mean(sample.bus),
        }
    }
}

/// Adds the samples of all nodes that end at the same time.
fn sum<'a>(samples: impl Iterator<Item = &'a NodeSample>) -> Vec<ShownSample> {
    let mut sums: BTreeMap<i64, NodeSample> = BTreeMap::new();
    for sample in samples {
        let sum = sums.entry(sample.at.micros()).or_default();
        *sum = NodeSample {
            at: sample.at,
            connections: sum.connections + sample.connections,
            channels: sum.channels + sample.channels,
            publishes: sum.publishes + sample.publishes,
            deliveries: sum.deliveries + sample.deliveries,
            slow_readers: sum.slow_readers + sample.slow_readers,
            errors: sum.errors + sample.errors,
            store: (sum.store.0 + sample.store.0, sum.store.1 + sample.store.1),
            bus: (sum.bus.0 + sample.bus.0, sum.bus.1 + sample.bus.1),
        };
    }
    sums.values().map(Into::into).collect()
}

/// The route of the overview.
pub(in crate::inbound::rest) struct OverviewRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl OverviewRoutes {
    /// Get the overview
    ///
    /// Returns what all nodes measured in the last 15 minutes, and the state of this node. With a session token it has the connections and
    /// channels of the session's app alone.
    #[oai(path = "/overview", method = "get", operation_id = "getOverview")]
    async fn overview(&self, caller: Caller) -> Result<JsonAnswer<ShownOverview>, Problem> {
        let service = &self.0.service;
        let app = caller.session().map(|session| session.app.ident.clone());
        let health = match app {
            None => Some(HealthRoutes(Arc::clone(&self.0)).detailed_health().await),
            Some(_) => None,
        };
        let overview = service.overview(app).await;
        let measured = || overview.nodes.iter().map(|(_, node)| node);
        let total = ShownTotal {
            connections: measured().map(|node| node.connections).sum(),
            channels: measured().map(|node| node.channels).sum(),
            samples: sum(measured().flat_map(|node| &node.samples)),
        };
        let nodes = overview.nodes.iter().map(|(node, measured)| ShownNode {
            node: node.to_string(),
            connections: measured.connections,
            channels: measured.channels,
            started: measured.started.seconds(),
            samples: measured.samples.iter().map(Into::into).collect(),
        });
        Ok(JsonAnswer::of(&ShownOverview {
            version: self.0.rules.version.clone(),
            time: service.now().seconds(),
            interval: SAMPLE_INTERVAL.as_secs(),
            nodes: nodes.collect(),
            total,
            health,
            silent_nodes: names(&overview.silent),
        }))
    }
}
