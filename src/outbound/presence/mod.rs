//! Who is on which presence channel.

mod local;
pub mod redis;

pub use local::LocalPresence;
