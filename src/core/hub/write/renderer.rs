//! The port of events that are rendered for one connection alone.

use std::fmt::Debug;
use std::sync::Arc;

use crate::core::hub::broadcast::Broadcast;

/// Renders the events of a connection whose bytes differ from those of the others: each has a
/// position in all channels of the connection.
pub trait EventRenderer: Send + Sync + Debug {
    /// Appends to `out` what the connection's client receives of a broadcast, and returns the number
    /// of events; 0: nothing, because the client has it already. Called in the order of delivery,
    /// under the mailbox's lock, so it must not block.
    fn render(&self, broadcast: &Arc<Broadcast>, out: &mut Vec<u8>) -> u64;
}
