//! Encoding of server events for clients.

use bytes::Bytes;

use crate::core::model::{Event, ServerEvent};

/// The dialect of a connection; also the index into values that are encoded once per dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialectId {
    /// The Pushi protocol.
    Pushi,
    /// Protocol 7 of Pusher Channels.
    Pusher,
    /// Events over plain HTTP: the text of the Pushi protocol's frames, which each connection's
    /// renderer wraps.
    Stream,
}

impl DialectId {
    /// The number of dialects.
    pub const COUNT: usize = 3;
}

/// Encodes server events as the text of frames. Pure; called once per event and dialect, whatever the number of recipients.
pub trait Dialect: Send + Sync {
    /// The text frame's payload, UTF-8; `None` where the dialect has no frame for the event.
    fn encode(&self, event: &ServerEvent) -> Option<Bytes>;

    /// At least the bytes of a stored event in the answer to a subscribe or history request.
    fn replayed_size(&self, event: &Event) -> usize;
}
