//! The Pushi protocol (see the protocol page): one JSON object a frame.

mod decode;
mod encode;

use bytes::Bytes;

pub use decode::decode;
pub use encode::{complaint, greeting, pong, published, state};

use crate::core::ports::{Dialect, Notice};

/// The Pushi protocol.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pushi;

impl Dialect for Pushi {
    fn encode(&self, notice: Notice<'_>) -> Option<Bytes> {
        Some(match notice {
            Notice::Event(event, position) => encode::event(event, position),
            Notice::MemberAdded(channel, member) => {
                encode::member("pusher:member_added", channel, member)
            }
            Notice::MemberRemoved(channel, member) => {
                encode::member("pusher:member_removed", channel, member)
            }
            Notice::Count(..) | Notice::UserStatus(..) => return None,
        })
    }
}
