//! The health check.

use std::time::Instant;

use super::{RowState, Service};
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
    /// The frames that this node has sent since the start.
    pub frames_sent: u64,
}

impl Service {
    /// The number of apps in the store.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn app_count(&self) -> Result<u64, StorageError> {
        self.ports.stores.apps.count().await
    }

    /// Checks that the store takes writes.
    ///
    /// # Errors
    /// Fails where it does not.
    pub async fn check_writable(&self) -> Result<(), StorageError> {
        self.ports.stores.database.check_writable().await
    }

    /// The state of the rows that applications insert.
    pub fn row_state(&self) -> RowState {
        self.parts.rows.state()
    }

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
            frames_sent: self.hub.metrics().frames_sent(),
        }
    }
}
