//! Publishing and subscribing: the queue of messages that this node publishes, its topic
//! subscriptions, and the detection of duplicates among the messages of other nodes.

mod dedup;
mod outgoing;
mod topics;

pub use dedup::Deduplicator;
pub use outgoing::OutgoingQueue;
pub use topics::{TopicChange, TopicSubscriptions};
