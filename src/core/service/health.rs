//! Whether the server can do its work.

use std::time::Instant;

use super::Service;
use crate::core::error::StorageError;

/// How the node is.
#[derive(Debug)]
pub struct Health {
    /// What the store answered, and after how many milliseconds.
    pub store: Result<f64, StorageError>,
    /// Live connections of this node.
    pub connections: u64,
}

impl Service {
    /// Asks the store for something small.
    pub async fn health(&self) -> Health {
        let asked = Instant::now();
        let store = self.ports.apps.revision().await.map(|_| asked.elapsed().as_secs_f64() * 1000.0);
        Health { store, connections: self.hub.connections() }
    }
}
