//! The lowest layer: connections to the Redis servers, and the keys, scripts and messages that
//! travel over them. It uses the `redis` crate and the model, no other part of this adapter.

mod connections;
mod message;
mod names;
mod scripts;
mod slots;
mod target;

pub(crate) use connections::check_reachable;
pub(super) use connections::{Connections, Disconnected, PushedMessage};
pub(super) use message::{MemberChangeBody, MessageBody, NodeMessage};
pub(super) use names::{KeyNames, topic_channel};
pub(super) use scripts::Script;
pub(super) use slots::hash_slot;
pub use target::{RedisTarget, RedisTargetError};
