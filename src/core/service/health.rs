//! Whether the server can do its work.

use std::time::Instant;

use super::Service;
use crate::core::error::StorageError;
use crate::core::ports::BusHealth;

/// How the node is.
#[derive(Debug)]
pub struct Health {
    /// What the store answered, and after how many milliseconds.
    pub store: Result<f64, StorageError>,
    /// Whether the nodes hear each other.
    pub bus: BusHealth,
    /// Live connections of this node.
    pub connections: u64,
}

impl Service {
    /// Asks the store for something small.
    pub async fn health(&self) -> Health {
        let asked = Instant::now();
        let store = self
            .ports
            .stores
            .apps
            .revision()
            .await
            .map(|_| asked.elapsed().as_secs_f64() * 1000.0);
        Health {
            store,
            bus: self.ports.nodes.bus.health(),
            connections: self.hub.connections(),
        }
    }
}
