//! The Pushi protocol (see the protocol page): one JSON object per frame.

mod command;
mod decode;
mod encode;

use bytes::Bytes;

pub use command::PushiCommand;
pub use decode::decode;
pub use encode::{
    channel_state, connection_established, error, event_text, pong, prepare_members, published,
};

use crate::core::model::{Event, ServerEvent};
use crate::core::ports::Dialect;
use crate::inbound::wire::escaped_history_len;

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

    fn replayed_size(&self, event: &Event) -> usize {
        escaped_history_len(event)
    }
}
