//! Events of streams over plain HTTP: the JSON text of the Pushi protocol's frames, without the frame.

use bytes::Bytes;

use crate::core::model::{ChannelName, Event, Member, ServerEvent};
use crate::core::ports::Dialect;
use crate::inbound::wire::{escaped_len, event_json, push_json_string};

/// The events of streams over plain HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamDialect;

impl Dialect for StreamDialect {
    fn encode(&self, event: &ServerEvent) -> Option<Bytes> {
        Some(match event {
            ServerEvent::Published { event, position } => event_json(event, *position).into(),
            ServerEvent::MemberAdded { channel, member } => {
                encode_member("pusher:member_added", channel, member)
            }
            ServerEvent::MemberRemoved { channel, member } => {
                encode_member("pusher:member_removed", channel, member)
            }
            ServerEvent::SubscriptionCount { .. } | ServerEvent::UserStatus { .. } => return None,
        })
    }

    fn replayed_size(&self, event: &Event) -> usize {
        /// Names, punctuation, numbers and ids, with the position of a stream of one channel.
        const FIXED: usize = 320;
        let (new, payload) = (&event.new, &event.new.payload);
        let texts = [new.channel.as_str(), &payload.event, &payload.data];
        let texts: usize = texts.iter().map(|text| escaped_len(text, false)).sum();
        FIXED + texts + payload.extra.as_str().len()
    }
}

fn encode_member(event: &str, channel: &ChannelName, member: &Member) -> Bytes {
    let mut json = String::with_capacity(channel.as_str().len() + member.data.len() + 96);
    json.push_str("{\"event\":");
    push_json_string(&mut json, event);
    json.push_str(",\"channel\":");
    push_json_string(&mut json, channel.as_str());
    json.push_str(",\"member\":");
    push_json_string(&mut json, &member.data);
    json.push('}');
    json.into()
}
