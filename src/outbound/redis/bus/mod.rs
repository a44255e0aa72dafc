//! Publishing and subscribing: what this node sends, and the topics that it receives.

mod dedup;
mod outgoing;
mod topics;

pub use dedup::Seen;
pub use outgoing::Outgoing;
pub use topics::{Change, Topics};
