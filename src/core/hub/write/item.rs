//! The entries of a mailbox.

use std::sync::Arc;

use crate::core::hub::broadcast::Broadcast;
use crate::core::model::{ChannelName, Mid, Timestamp};
use crate::core::ports::DialectId;

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// More bytes were pending than the limit allows.
    SlowReader,
    /// The server is stopping.
    Stopping,
    /// The app was disabled.
    AppDisabled,
    /// The app was deleted.
    AppDeleted,
    /// A ping was not answered in time.
    NoPong,
    /// Nothing was sent or received for too long, pings aside.
    Idle,
    /// The client did not sign in in time.
    NotSignedIn,
    /// The user's connections were terminated over REST.
    Terminated,
    /// The connection was closed by an administrator of the app.
    Administrator,
}

/// The result of a publish, for the connection that sent it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The reference that the client gave.
    pub reference: Option<String>,
    /// The channel that the client published to.
    pub channel: ChannelName,
    /// The event's name.
    pub event: Arc<str>,
    /// Whether the event was stored.
    pub outcome: ReceiptOutcome,
}

/// The result of a publish that went through the append queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// Stored with this id, this serial and this time.
    Stored(Mid, u64, Timestamp),
    /// Not stored, or in doubt.
    Failed,
    /// Not to be stored; it was delivered in its order.
    Delivered,
}

/// One entry of a mailbox.
#[derive(Debug)]
pub enum MailboxItem {
    /// A frame for the client, or several.
    Broadcast(Arc<Broadcast>),
    /// The end of a frame of which a direct write wrote the beginning.
    PartialFrame(Box<[u8]>),
    /// The result of a publish of this connection.
    Receipt(Box<Receipt>),
    /// The persistent subscriptions of the user with this personal channel changed; the connection
    /// is subscribed to it.
    AliasesChanged(Box<ChannelName>),
    /// The app's message size limit changed.
    LimitChanged,
    /// The last event of this cache channel was read: it covers the items before this one.
    CacheRead(Box<ChannelName>),
    /// Nothing was received for a while: send a ping.
    Ping,
}

/// Bytes that an item other than a frame counts as: about its memory.
const CONTROL_ITEM_BYTES: usize = 128;

impl MailboxItem {
    /// The bytes that it counts as in its mailbox.
    pub(super) fn size(&self, dialect: DialectId) -> usize {
        match self {
            Self::Broadcast(broadcast) => broadcast.size(dialect).unwrap_or(0),
            Self::PartialFrame(rest) => rest.len(),
            // A ping is no activity, and so must not count as sent.
            Self::Ping => 0,
            _ => CONTROL_ITEM_BYTES,
        }
    }

    /// The whole frame of a broadcast in the client's dialect.
    pub(super) fn frame(&self, dialect: DialectId) -> Option<&[u8]> {
        match self {
            Self::Broadcast(broadcast) => broadcast.frame(dialect).map(|frame| &frame[..]),
            _ => None,
        }
    }
}
