//! The client protocols ("dialects") as pure functions: a frame's text to a command, a server event
//! to the bytes of a frame.

mod channel_data;
mod error_frame;
mod fields;
mod frame_text;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod object_entries;
pub mod pusher;
pub mod pushi;
mod stream;
mod token;

use bytes::Bytes;

pub use error_frame::{ErrorFrame, RequestContext};
pub use stream::StreamDialect;
pub use token::token_accepted;

use crate::core::model::SocketId;
use crate::core::ports::DialectId;

/// The first frame of a connection. `activity_timeout`: the number of silent seconds after which
/// the client is pinged.
pub fn connection_established(dialect: DialectId, id: SocketId, activity_timeout: u32) -> Bytes {
    match dialect {
        DialectId::Pushi | DialectId::Stream => pushi::connection_established(id),
        DialectId::Pusher => pusher::connection_established(id, activity_timeout),
    }
}

/// Encodes an error frame.
pub fn error(dialect: DialectId, error: &ErrorFrame) -> Bytes {
    match dialect {
        DialectId::Pushi | DialectId::Stream => pushi::error(error),
        DialectId::Pusher => pusher::error(error),
    }
}
