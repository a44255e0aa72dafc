//! Publishing and subscribing: the queue of messages that this node publishes, its topic
//! subscriptions, and the detection of duplicates among the messages of other nodes.

mod dedup;
mod outgoing;
mod topics;

pub(super) use dedup::Deduplicator;
pub(super) use outgoing::OutgoingQueue;
pub(super) use topics::{TopicChange, TopicSubscriptions};
