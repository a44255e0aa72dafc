//! A node among the nodes that share a Redis.

mod incarnation;
mod node;
mod receive;
mod register;
mod run;

pub use incarnation::{Incarnation, Use, untag};
pub use node::{LocalDirectory, RedisNode, RedisNodeOptions};
