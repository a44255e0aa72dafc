//! Protocol 7 of Pusher Channels (see the Pusher page): one JSON object per frame; in most server
//! frames `data` is JSON in a string.

mod command;
mod decode;
mod encode;

use bytes::Bytes;

pub use command::{ClientEventFrame, PusherCommand};
pub use decode::{DecodeError, SubscriptionErrorFrame, decode};
pub use encode::{
    cache_miss, cached, connection_established, error, event, ping, pong, prepare_members,
    sender_member, signed_in, subscribed, subscription_error, watchlist_events,
};

use crate::core::model::{Event, ServerEvent};
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
                encode::watchlist_events(std::slice::from_ref(user), &[])
            }
            ServerEvent::UserStatus {
                user,
                online: false,
            } => encode::watchlist_events(&[], std::slice::from_ref(user)),
        })
    }

    fn replayed_size(&self, event: &Event) -> usize {
        encode::event_size(event)
    }
}
