//! The adapters of a single node: bus, presence and roster in process.

mod bus;
mod presence;
mod roster;

pub use bus::LocalBus;
pub use presence::LocalPresence;
pub use roster::LocalRoster;
