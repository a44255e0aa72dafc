//! Who is connected, over all nodes.

mod local;

pub use local::LocalRoster;
