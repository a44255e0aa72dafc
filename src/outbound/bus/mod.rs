//! How nodes hear of each other.

mod line;
mod local;
mod redis;

pub use self::redis::RedisBus;
pub(super) use line::{Line, drain};
pub use local::LocalBus;
