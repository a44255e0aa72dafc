//! The commands of a Pushi client.

use crate::core::model::{ChannelName, Secret};
use crate::core::service::{ClientPublish, Subscribe};

/// A decoded frame: the names in it are valid.
#[derive(Debug, Clone)]
pub enum PushiCommand {
    /// `pusher:subscribe`.
    Subscribe(Box<Subscribe>),
    /// `pusher:unsubscribe`.
    Unsubscribe(ChannelName),
    /// `pusher:latest`: past events of a channel.
    Latest {
        /// The channel, or a personal channel for the user's inbox.
        channel: ChannelName,
        /// The number of newest events to leave out.
        skip: u64,
        /// The number of events to send.
        count: u64,
    },
    /// `pusher:token`: a token in place of signatures.
    Token(Secret),
    /// `pusher:ping`.
    Ping,
    /// Any other event: a publish.
    Publish(Box<ClientPublish>),
}
