//! Several nodes as one, over Redis or Valkey: connections, and what is said over them.
//!
//! One connection to each server carries everything, subscriptions, publishes and scripts, so that what a node says
//! comes back to it in order. Its life ends with the first failure of any of them, and the next one begins with
//! everything anew: the topics, the node's place in the register, the presence lists. There is no other way to recover, and
//! so none that is seldom taken.

mod hearing;
mod mesh;
mod names;
mod outgoing;
mod register;
mod run;
mod scripts;
mod seen;
mod session;
mod slots;
mod target;
mod topics;
mod wire;

pub use mesh::{LocalDirectory, RedisNode, RedisNodeOptions};
pub use names::Names;
pub use scripts::Script;
pub use session::{Connections, Disconnected, look};
pub use target::{Target, TargetError};
pub use wire::{Body, Frame, PresenceBody};
