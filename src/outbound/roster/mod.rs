//! Who is connected, over all nodes.

mod local;
mod redis;

pub use local::LocalRoster;
pub use redis::RedisRoster;
