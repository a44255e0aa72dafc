//! What clients say and are told, as pure functions: text to command, event to bytes.

pub mod pushi;

use crate::core::model::ChannelName;
use crate::core::service::{ClientPublish, Subscribe};

/// What a client wants.
#[derive(Debug, Clone)]
pub enum Command {
    /// To be on a channel.
    Subscribe(Box<Subscribe>),
    /// To leave a channel.
    Unsubscribe(ChannelName),
    /// Past events of a channel.
    Latest {
        /// The channel.
        channel: ChannelName,
        /// How many of the newest to leave out.
        skip: u64,
        /// How many to answer.
        count: u64,
    },
    /// To hear that the server is there.
    Ping,
    /// To publish.
    Publish(Box<ClientPublish>),
}

/// What an error about a frame repeats of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The frame's event.
    pub event: String,
    /// The frame's `ref`.
    pub reference: Option<String>,
}

/// What was wrong with a frame, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The protocol page's code.
    pub code: u16,
    /// What was wrong, and what to do about it.
    pub message: String,
    /// The channel that it is about; empty where none is.
    pub channel: String,
    /// The frame's event; empty where it had none.
    pub event: String,
    /// The frame's `ref`.
    pub reference: Option<String>,
}
