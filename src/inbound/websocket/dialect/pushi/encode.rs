//! Server frames of the Pushi protocol.

use bytes::Bytes;

use crate::core::member_list::{MemberList, Rendered};
use crate::core::model::{ChannelName, Event, Member, NewEvent, Position, SocketId, Timestamp};
use crate::core::service::Subscribed;
use crate::inbound::websocket::dialect::error_frame::ErrorFrame;
use crate::inbound::websocket::dialect::frame_text::{
    self, TextPart, begin_frame, finish_frame, finish_frame_with, push_list, push_string_field,
};
use crate::inbound::websocket::stream::text_frame;
use crate::inbound::wire::{
    event_json, history_json, push_escaped, push_json_string, seconds_text,
};

/// The first frame of a connection.
pub fn connection_established(id: SocketId) -> Bytes {
    let mut json = begin_frame("pusher:connection_established", 64);
    push_string_field(&mut json, "data", &format!("{{\"socket_id\":\"{id}\"}}"));
    finish_frame(json)
}

/// The answer to a ping.
pub fn pong() -> Bytes {
    let mut json = begin_frame("pusher:pong", 16);
    push_string_field(&mut json, "data", "{}");
    finish_frame(json)
}

/// An error frame. `channel` is always present: the original JavaScript client reads it without a
/// check.
pub fn error(error: &ErrorFrame) -> Bytes {
    let mut json = begin_frame("pusher:error", error.message.len() + 128);
    push_string_field(&mut json, "channel", &error.channel);
    json.push_str(",\"data\":{\"code\":");
    json.push_str(&error.code.to_string());
    push_string_field(&mut json, "message", &error.message);
    push_string_field(&mut json, "event", &error.request.event);
    if let Some(reference) = &error.request.reference {
        push_string_field(&mut json, "ref", reference);
    }
    json.push('}');
    finish_frame(json)
}

/// An event for the subscribers of its channel.
pub(super) fn event(event: &NewEvent, position: Option<Position>) -> Bytes {
    text_frame(&event_json(event, position))
}

/// A user joined or left a presence channel.
pub(super) fn member(event: &str, channel: &ChannelName, member: &Member) -> Bytes {
    let mut json = begin_frame(event, channel.as_str().len() + member.data.len() + 64);
    push_string_field(&mut json, "channel", channel.as_str());
    push_string_field(&mut json, "member", &member.data);
    finish_frame(json)
}

/// The acknowledgement of a stored publish.
pub fn published(
    reference: &str,
    channel: &ChannelName,
    mid: &str,
    serial: u64,
    timestamp: Timestamp,
) -> Bytes {
    let mut data = String::with_capacity(128);
    data.push_str("{\"ref\":");
    push_json_string(&mut data, reference);
    push_string_field(&mut data, "mid", mid);
    data.push_str(&format!(
        ",\"serial\":{serial},\"timestamp\":{}}}",
        seconds_text(timestamp)
    ));
    let mut json = begin_frame("pusher_internal:published", 256);
    push_string_field(&mut json, "channel", channel.as_str());
    push_string_field(&mut json, "data", &data);
    finish_frame(json)
}

/// The state of a channel: the answer to `pusher:subscribe`, `pusher:unsubscribe` and
/// `pusher:latest`. `events` are the texts of [`event_text`]. In parts.
pub fn channel_state(
    event: &str,
    channel: &ChannelName,
    state: &Subscribed,
    events: Vec<Bytes>,
) -> Vec<Bytes> {
    let mut head = String::from("{\"name\":");
    push_json_string(&mut head, channel.as_str());
    head.push_str(",\"members\":{");
    let mut alias = String::from("},\"alias\":[");
    push_list(&mut alias, &state.alias, |data, alias| {
        push_json_string(data, alias.as_str())
    });
    alias.push_str("],\"events\":[");
    let mut tail = String::from("]");
    if let Some((recovered, serial)) = state.recovered {
        tail.push_str(&format!(",\"recovered\":{recovered},\"serial\":{serial}"));
    }
    if state.more {
        tail.push_str(",\"more\":true");
    }
    tail.push('}');
    let mut json = begin_frame(
        event,
        alias.len() + alias.len() / 8 + channel.as_str().len() + 160,
    );
    push_string_field(&mut json, "channel", channel.as_str());
    let parts = vec![
        TextPart::Own(head),
        TextPart::MemberList(&state.members, Rendered::Pushi, push_member),
        TextPart::Own(alias),
        TextPart::Escaped(events),
        TextPart::Own(tail),
    ];
    finish_frame_with(json, "data", parts)
}

fn push_member(data: &mut String, member: &Member) {
    push_json_string(data, member.user_id.as_str());
    data.push(':');
    data.push_str(&member.data);
}

/// Renders the members of [`channel_state`] piece by piece: see [`MemberList::prepare`].
pub fn prepare_members(members: &MemberList) -> impl Iterator<Item = usize> {
    frame_text::prepare_members(members, Rendered::Pushi, push_member)
}

/// An event of [`channel_state`], escaped for the frame, and the comma before it.
pub fn event_text(is_first: bool, event: &Event) -> String {
    let plain = history_json(event);
    let mut text = String::with_capacity(plain.len() + plain.len() / 8 + 64);
    if !is_first {
        text.push(',');
    }
    push_escaped(&mut text, &plain);
    text
}
