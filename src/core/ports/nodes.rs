//! The ports that connect the nodes of a cluster, as one value.

use std::sync::Arc;

use super::bus::Bus;
use super::presence_store::PresenceStore;
use super::roster::Roster;

/// The ports that connect this node to the others; a single node has local adapters. Cheap to clone; all clones are the
/// same adapter instances.
#[derive(Clone)]
pub struct Nodes {
    /// Sends messages to all nodes, this one included.
    pub bus: Arc<dyn Bus>,
    /// The members of presence channels.
    pub presence: Arc<dyn PresenceStore>,
    /// Connections, occupied channels and signed-in users.
    pub roster: Arc<dyn Roster>,
}
