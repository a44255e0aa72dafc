//! Who is on which presence channel.

mod local;

pub use local::LocalPresence;
