//! How nodes hear of each other.

mod local;

pub use local::LocalBus;
