//! Protocol 7 of Pusher Channels (see the Pusher page): one JSON object a frame, `data` of the server's frames mostly JSON
//! in a string.

mod decode;
mod encode;
mod member;

use bytes::Bytes;

pub use decode::{Command, Refused, SubscriptionRefused, Whisper, decode};
pub use encode::{
    cache_miss, cached, complaint, event, greeting, ping, pong, sender_text, signed_in, subscribed,
    subscription_refused, watched,
};

use crate::core::model::ServerEvent;
use crate::core::ports::Dialect;

/// Protocol 7 of Pusher Channels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pusher;

impl Dialect for Pusher {
    fn encode(&self, event: &ServerEvent) -> Option<Bytes> {
        Some(match event {
            ServerEvent::Published { event, position } => encode::event(event, *position),
            ServerEvent::MemberAdded { channel, member } => encode::member_added(channel, member),
            ServerEvent::MemberRemoved { channel, member } => {
                encode::member_removed(channel, member)
            }
            ServerEvent::SubscriptionCount { channel, count } => encode::count(channel, *count),
            ServerEvent::UserStatus { user, online: true } => {
                encode::watched(std::slice::from_ref(user), &[])
            }
            ServerEvent::UserStatus {
                user,
                online: false,
            } => encode::watched(&[], std::slice::from_ref(user)),
        })
    }
}
