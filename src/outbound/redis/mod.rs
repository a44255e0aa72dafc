//! Several nodes as one, over Redis or Valkey: the adapters of the bus, of presence and of the roster.
//!
//! One connection to each server carries subscriptions, publishes and scripts, so a node receives its
//! own messages in the order in which it published them. The first failure on any connection ends the
//! incarnation of the node. The next one restores everything: the topics, the registration, the
//! presence channels. There is no other way to recover, and so none that is rarely executed.
//!
//! Six layers, each of which imports the ones below it only: this module, `roster`, `presence`,
//! `node`, `bus`, `connection`.

mod bus;
mod connection;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod node;
mod presence;
mod roster;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::node::{Receiver, RedisNode};
use self::presence::RedisPresence;
use self::roster::RedisRoster;
use crate::core::error::BusError;
use crate::core::hub::Hub;
use crate::core::model::{AppIdent, ChannelKind, ChannelName, Mid, SocketId};
use crate::core::ports::{Bus, BusHealth, BusMessage, BusSink, PresenceStore, Roster};

pub(crate) use connection::check_reachable;
pub use connection::{RedisTarget, RedisTargetError};
pub use node::RedisOptions;

/// The adapters of one node. They share its connections.
pub struct RedisAdapters {
    /// The bus; [`RedisBus::run`] does the work of all three.
    pub bus: Arc<RedisBus>,
    /// The presence channels.
    pub presence: Arc<dyn PresenceStore>,
    /// The connections of all nodes.
    pub roster: Arc<dyn Roster>,
}

/// Creates the adapters of a node. `hub` has the node's clients.
pub fn open(options: RedisOptions, hub: &Arc<Hub>) -> RedisAdapters {
    let node = Arc::new(RedisNode::new(options));
    let presence = Arc::new(RedisPresence::new(Arc::clone(&node)));
    let roster = Arc::new(RedisRoster::new(
        Arc::clone(&node),
        Arc::clone(&presence),
        Arc::clone(hub),
    ));
    let receivers: [Arc<dyn Receiver>; 2] = [roster.clone(), presence.clone()];
    node.set_receivers(receivers.iter().map(Arc::downgrade).collect());
    RedisAdapters {
        bus: Arc::new(RedisBus {
            node,
            presence: Arc::clone(&presence),
        }),
        presence,
        roster,
    }
}

/// The bus of several nodes. Publishing never fails: while Redis is unavailable the node delivers its
/// own messages locally.
pub struct RedisBus {
    node: Arc<RedisNode>,
    presence: Arc<RedisPresence>,
}

impl RedisBus {
    /// Sets the receiver of messages; only the first call has an effect.
    pub fn set_sink(&self, sink: Weak<dyn BusSink>) {
        self.node.set_sink(sink);
    }

    /// Connects, and reconnects whenever the connections are lost, until `stop`; then sends the
    /// queue. Received messages are delivered corked by `hub`, which is no field: presence, which
    /// the hub holds, would close a cycle of references.
    pub async fn run(self: Arc<Self>, hub: Arc<Hub>, stop: CancellationToken) {
        Arc::clone(&self.node).run(hub, stop).await;
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, message: BusMessage) -> Result<(), BusError> {
        self.node.publish(message);
        Ok(())
    }

    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError> {
        match channel.kind() {
            ChannelKind::Presence => self.presence.watch(app, channel).await,
            _ => self.node.watch(app, channel).await,
        }
        Ok(())
    }

    fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        match channel.kind() {
            ChannelKind::Presence => self.presence.unwatch(app, channel),
            _ => self.node.unwatch(app, channel),
        }
    }

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {
        // The resequencer around this bus reads the store, and keeps the exclusions.
    }

    fn is_full(&self, app: &AppIdent) -> bool {
        self.node.outgoing().is_full(app)
    }

    fn queued_bytes(&self) -> u64 {
        self.node.outgoing().bytes() as u64
    }

    fn health(&self) -> BusHealth {
        self.node.health()
    }
}
