//! The health check.

use std::time::Instant;

use super::Service;
use crate::core::error::StorageError;
use crate::core::ports::BusHealth;

/// The state of this node.
#[derive(Debug)]
pub struct NodeHealth {
    /// The response time of the store in milliseconds, or its error.
    pub store: Result<f64, StorageError>,
    /// Whether the other nodes can be reached.
    pub bus: BusHealth,
    /// The live connections of this node.
    pub connections: u64,
}

impl Service {
    /// Checks the store with a cheap call.
    pub async fn health(&self) -> NodeHealth {
        let begun = Instant::now();
        let store = self
            .ports
            .stores
            .apps
            .revision()
            .await
            .map(|_| begun.elapsed().as_secs_f64() * 1000.0);
        NodeHealth {
            store,
            bus: self.ports.nodes.bus.health(),
            connections: self.hub.connections(),
        }
    }
}
