//! How nodes hear of each other.

mod local;
mod redis;

pub use self::redis::RedisBus;
pub use local::LocalBus;
