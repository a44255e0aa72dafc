//! What clients say and are told, as pure functions: text to command, event to bytes.

mod channel_data;
mod members;
pub mod pusher;
pub mod pushi;
mod text;

use bytes::Bytes;

use crate::core::model::{ChannelName, SocketId};
use crate::core::ports::DialectId;
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

/// The first frame. `activity` is after how many silent seconds the client is pinged.
pub fn greeting(dialect: DialectId, id: SocketId, activity: u32) -> Bytes {
    match dialect {
        DialectId::Pushi => pushi::greeting(id),
        DialectId::Pusher => pusher::greeting(id, activity),
    }
}

/// An error frame.
pub fn complaint(dialect: DialectId, complaint: &Complaint) -> Bytes {
    match dialect {
        DialectId::Pushi => pushi::complaint(complaint),
        DialectId::Pusher => pusher::complaint(complaint),
    }
}
