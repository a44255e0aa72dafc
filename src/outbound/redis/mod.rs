//! Several nodes as one, over Redis or Valkey: connections, and what is said over them.
//!
//! One connection to each server carries everything, subscriptions, publishes and scripts, so that what a node says
//! comes back to it in order. Its life ends with the first failure of any of them, and the next one begins with
//! everything anew: the topics, the node's place in the register, the presence lists. There is no other way to recover, and
//! so none that is seldom taken.

mod bus;
mod connection;
mod node;
mod presence;
mod roster;

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Mid, SocketId};
use crate::core::ports::{Bus, BusHealth, BusMessage};

pub use connection::{Target, TargetError, look};
pub use node::{RedisNode, RedisNodeOptions};
pub use presence::RedisPresence;
pub use roster::RedisRoster;

/// The bus of several nodes, over Redis. It never fails: while Redis is away the node hears itself.
pub struct RedisBus(Arc<RedisNode>);

impl RedisBus {
    /// Over the connections of a node.
    pub fn new(mesh: Arc<RedisNode>) -> Self {
        Self(mesh)
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, message: BusMessage) -> Result<(), BusError> {
        self.0.publish(message);
        Ok(())
    }

    async fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Result<(), BusError> {
        self.0.watch(app, channel).await;
        Ok(())
    }

    fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.0.unwatch(app, channel);
    }

    fn exclude(&self, _mid: &Mid, _socket: SocketId) {
        // Who reads the store stands around this one.
    }

    fn health(&self) -> BusHealth {
        self.0.health()
    }
}
