//! What can wait for one connection.

use std::sync::Arc;

use super::broadcast::Broadcast;
use crate::core::model::{ChannelName, Mid, Timestamp};
use crate::core::ports::DialectId;

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// More bytes waited than the limit allows.
    SlowReader,
    /// The server is stopping.
    Stopping,
    /// The app was disabled.
    AppDisabled,
    /// The app was deleted.
    AppDeleted,
    /// A ping was not answered.
    NoPong,
    /// Nothing was said or heard for too long.
    Idle,
    /// The client did not sign in in time.
    NotSignedIn,
    /// The user's connections were ended.
    Terminated,
}

/// A publish has left the append queue; told to the socket that sent it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What the publisher called it.
    pub reference: Option<String>,
    /// Its channel.
    pub channel: ChannelName,
    /// Its event's name.
    pub event: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a publish that went through the append queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Stored, with this serial, at this time.
    Stored(Mid, u64, Timestamp),
    /// Not stored, or not known to be.
    Failed,
    /// It was not to be stored, and has been delivered.
    Passed,
}

/// One thing that waits.
#[derive(Debug)]
pub enum MailboxItem {
    /// A frame for the client.
    Broadcast(Arc<Broadcast>),
    /// The end of a frame that has been written in part.
    Rest(Box<[u8]>),
    /// A publish of this socket has been settled.
    Receipt(Box<Receipt>),
    /// The user's persistent subscriptions changed; the socket is on this personal channel.
    AliasesChanged(Box<ChannelName>),
    /// The app's limit for messages changed.
    LimitChanged,
    /// The last event of this cache channel was read: it covers what stands before this.
    CacheRead(Box<ChannelName>),
    /// The client has been silent: ask whether it is there.
    Ping,
}

impl MailboxItem {
    /// A whole frame, as its client's dialect has it.
    pub(super) fn frame(&self, dialect: DialectId) -> Option<&[u8]> {
        match self {
            Self::Broadcast(delivery) => delivery.frame(dialect).map(|frame| &frame[..]),
            _ => None,
        }
    }
}
