//! The lowest layer: connections to the Redis servers, and the keys, scripts and messages that
//! travel over them. It knows the `redis` crate and the model, no other part of this adapter.

mod connections;
mod message;
mod names;
mod scripts;
mod slots;
mod target;

pub use connections::{Connections, Disconnected, PushedMessage, check_reachable};
pub use message::{MemberChangeBody, MessageBody, NodeMessage};
pub use names::{KeyNames, topic_channel};
pub use scripts::Script;
pub use slots::hash_slot;
pub use target::{RedisTarget, RedisTargetError};
