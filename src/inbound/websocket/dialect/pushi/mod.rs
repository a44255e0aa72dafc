//! The Pushi protocol (see the protocol page): one JSON object per frame.

mod command;
mod decode;
mod encode;

use bytes::Bytes;

pub use command::PushiCommand;
pub use decode::decode;
pub use encode::{channel_state, connection_established, error, pong, published};

use crate::core::model::ServerEvent;
use crate::core::ports::Dialect;

/// The Pushi protocol.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pushi;

impl Dialect for Pushi {
    fn encode(&self, event: &ServerEvent) -> Option<Bytes> {
        Some(match event {
            ServerEvent::Published { event, position } => encode::event(event, *position),
            ServerEvent::MemberAdded { channel, member } => {
                encode::member("pusher:member_added", channel, member)
            }
            ServerEvent::MemberRemoved { channel, member } => {
                encode::member("pusher:member_removed", channel, member)
            }
            ServerEvent::SubscriptionCount { .. } | ServerEvent::UserStatus { .. } => return None,
        })
    }
}
