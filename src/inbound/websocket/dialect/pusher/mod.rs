//! Protocol 7 of Pusher Channels (see the Pusher page): one JSON object a frame, `data` of the server's frames mostly JSON
//! in a string.

mod encode;
mod member;

use bytes::Bytes;

pub use encode::{complaint, greeting, ping, pong};

use crate::core::ports::{Dialect, Notice};

/// Protocol 7 of Pusher Channels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pusher;

impl Dialect for Pusher {
    fn encode(&self, notice: Notice<'_>) -> Option<Bytes> {
        Some(match notice {
            Notice::Event(event, position) => encode::event(event, position),
            Notice::MemberAdded(channel, member) => encode::member_added(channel, member),
            Notice::MemberRemoved(channel, member) => encode::member_removed(channel, member),
        })
    }
}
