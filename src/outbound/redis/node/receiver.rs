//! The interface between the node and the parts that use its connections.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::incarnation::Incarnation;
use crate::outbound::redis::connection::{Connections, Disconnected, NodeMessage};

/// Tasks of an incarnation; they are aborted when it ends.
pub(crate) type NodeTasks = JoinSet<Result<(), Disconnected>>;

/// A message that is for a [`Receiver`].
pub(crate) struct ReceivedMessage<'a> {
    /// The connections on which it arrived.
    pub connections: &'a Arc<Connections>,
    /// The topic on which it was published.
    pub topic: &'a str,
    pub message: &'a NodeMessage<'a>,
}

/// A part that keeps state in Redis or exchanges messages with the other nodes.
#[async_trait]
pub(crate) trait Receiver: Send + Sync {
    /// Called when an incarnation is registered: restores its state in Redis, and starts its tasks.
    /// The node counts as connected when all receivers have returned.
    async fn on_connected(
        self: Arc<Self>,
        incarnation: &Arc<Incarnation>,
        tasks: &mut NodeTasks,
    ) -> Result<(), Disconnected>;

    /// Called when the connections are lost. Does not block.
    fn on_disconnected(&self);

    /// Called for each message that is no bus message; ignores those of other receivers. Does not
    /// block.
    fn on_message(&self, received: &ReceivedMessage<'_>);
}
