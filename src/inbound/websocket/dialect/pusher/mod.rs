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
            Notice::Count(channel, count) => encode::count(channel, count),
            Notice::UserStatus(user, true) => encode::watched(std::slice::from_ref(user), &[]),
            Notice::UserStatus(user, false) => encode::watched(&[], std::slice::from_ref(user)),
        })
    }
}
