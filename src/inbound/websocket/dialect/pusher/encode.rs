//! Server frames of the Pusher protocol.

use bytes::Bytes;

use super::decode::SubscriptionErrorFrame;
use crate::core::member_list::{MemberList, Rendered};
use crate::core::model::{
    CachedEvent, ChannelKind, ChannelName, Event, FurtherMembers, Member, Mid, NewEvent, Position,
    SocketId, Timestamp, UserId,
};
use crate::core::service::Subscribed;
use crate::inbound::websocket::dialect::error_frame::ErrorFrame;
use crate::inbound::websocket::dialect::frame_text::{
    self, TextPart, begin_frame, finish_frame, finish_frame_with, push_field_name, push_list,
    push_string_field,
};
use crate::inbound::websocket::dialect::object_entries::{ObjectEntries, user_info};
use crate::inbound::wire::{escaped_len, push_json_string, seconds_text};

/// The first frame of a connection. `activity_timeout`: the number of silent seconds after which
/// the client is pinged; sent as at least 1, because pusher-js throws on 0.
pub fn connection_established(id: SocketId, activity_timeout: u32) -> Bytes {
    let mut json = begin_frame("pusher:connection_established", 96);
    push_string_field(
        &mut json,
        "data",
        &format!(
            "{{\"socket_id\":\"{id}\",\"activity_timeout\":{}}}",
            activity_timeout.max(1)
        ),
    );
    finish_frame(json)
}

/// A ping from the server.
pub fn ping() -> Bytes {
    empty("pusher:ping")
}

/// The answer to a ping.
pub fn pong() -> Bytes {
    empty("pusher:pong")
}

fn empty(event: &str) -> Bytes {
    let mut json = begin_frame(event, 16);
    push_string_field(&mut json, "data", "{}");
    finish_frame(json)
}

/// An error frame. It has no channel and no `ref`.
pub fn error(error: &ErrorFrame) -> Bytes {
    let mut json = begin_frame("pusher:error", error.message.len() + 64);
    json.push_str(",\"data\":{\"code\":");
    json.push_str(&error.code.to_string());
    push_string_field(&mut json, "message", &error.message);
    json.push('}');
    finish_frame(json)
}

/// An event for the subscribers of its channel.
pub fn event(event: &NewEvent, position: Option<Position>) -> Bytes {
    let payload = &event.payload;
    let mut json = begin_frame(
        &payload.event,
        payload.data.len() + event.channel.as_str().len() + 160,
    );
    push_string_field(&mut json, "channel", event.channel.as_str());
    push_string_field(&mut json, "data", &payload.data);
    if let Some(user) = sender(event) {
        push_field_name(&mut json, "user_id");
        json.push_str(&user);
    }
    if let Some(position) = position {
        push_position(&mut json, &event.mid, position.serial, event.timestamp);
    }
    finish_frame(json)
}

/// At least the bytes of the frame of a stored event.
pub(super) fn event_size(event: &Event) -> usize {
    /// The frame header, names, punctuation and numbers.
    const FIXED: usize = 200;
    let (new, payload) = (&event.new, &event.new.payload);
    let texts = [
        new.mid.0.as_ref(),
        new.channel.as_str(),
        &payload.event,
        &payload.data,
    ];
    let texts: usize = texts.iter().map(|text| escaped_len(text, false)).sum();
    FIXED + texts + payload.extra.as_str().len()
}

/// The further fields of a persisted event.
fn push_position(json: &mut String, mid: &Mid, serial: u64, timestamp: Timestamp) {
    push_string_field(json, "mid", &mid.0);
    push_field_name(json, "serial");
    json.push_str(&serial.to_string());
    push_field_name(json, "timestamp");
    json.push_str(&seconds_text(timestamp));
}

/// The last event of a cache channel, for a new subscriber.
pub fn cached(event: &CachedEvent) -> Bytes {
    let mut json = begin_frame(
        &event.event,
        event.data.len() + event.channel.as_str().len() + 160,
    );
    push_string_field(&mut json, "channel", event.channel.as_str());
    push_string_field(&mut json, "data", &event.data);
    if let Some(serial) = event.serial {
        push_position(&mut json, &event.mid, serial, event.timestamp);
    }
    finish_frame(json)
}

/// A cache channel has no event for a new subscriber.
pub fn cache_miss(channel: &ChannelName) -> Bytes {
    channel_event("pusher:cache_miss", channel, "{}")
}

/// The further member of a client event on a presence channel: the sender's user id.
pub fn sender_member(user: &UserId) -> FurtherMembers {
    let mut json = String::new();
    push_json_string(&mut json, user.as_str());
    FurtherMembers::of([("\"user_id\"", json)])
}

/// The user who sent a client event on a presence channel, as JSON. Only the server sets it, never
/// a publisher.
fn sender(event: &NewEvent) -> Option<String> {
    let payload = &event.payload;
    let has_sender = !payload.extra.is_empty()
        && payload.event.starts_with("client-")
        && event.channel.kind() == ChannelKind::Presence;
    if !has_sender {
        return None;
    }
    ObjectEntries::parse(&payload.extra.to_object())?
        .get("user_id")
        .map(|value| value.get().to_owned())
}

/// A user joined a presence channel.
pub(super) fn member_added(channel: &ChannelName, member: &Member) -> Bytes {
    let mut data = String::with_capacity(member.data.len() + 64);
    data.push_str("{\"user_id\":");
    push_json_string(&mut data, member.user_id.as_str());
    push_field_name(&mut data, "user_info");
    data.push_str(&user_info(&member.data));
    data.push('}');
    channel_event("pusher_internal:member_added", channel, &data)
}

/// A user left a presence channel.
pub(super) fn member_removed(channel: &ChannelName, member: &Member) -> Bytes {
    let mut data = String::from("{\"user_id\":");
    push_json_string(&mut data, member.user_id.as_str());
    data.push('}');
    channel_event("pusher_internal:member_removed", channel, &data)
}

fn channel_event(event: &str, channel: &ChannelName, data: &str) -> Bytes {
    let mut json = begin_frame(
        event,
        data.len() + data.len() / 8 + channel.as_str().len() + 32,
    );
    push_string_field(&mut json, "channel", channel.as_str());
    push_string_field(&mut json, "data", data);
    finish_frame(json)
}

/// A subscription succeeded: with the members of a presence channel and, after `since`, with the
/// recovered position. In parts.
pub fn subscribed(channel: &ChannelName, state: &Subscribed) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(5);
    let mut data = String::from("{");
    if channel.kind() == ChannelKind::Presence {
        data.push_str(&format!(
            "\"presence\":{{\"count\":{},\"ids\":[",
            state.members.len()
        ));
        let ids = TextPart::MemberList(&state.members, Rendered::PusherIds, push_id);
        let infos = TextPart::MemberList(&state.members, Rendered::PusherInfos, push_info);
        parts.extend([
            TextPart::Own(std::mem::take(&mut data)),
            ids,
            TextPart::Own("],\"hash\":{".to_owned()),
            infos,
        ]);
        data.push_str("}}");
    }
    if let Some((recovered, serial)) = state.recovered {
        if data.len() > 1 {
            data.push(',');
        }
        data.push_str(&format!("\"recovered\":{recovered},\"serial\":{serial}"));
    }
    if state.more {
        data.push_str(",\"more\":true");
    }
    data.push('}');
    parts.push(TextPart::Own(data));
    let mut json = begin_frame(
        "pusher_internal:subscription_succeeded",
        channel.as_str().len() + 128,
    );
    push_string_field(&mut json, "channel", channel.as_str());
    finish_frame_with(json, "data", parts)
}

fn push_id(data: &mut String, member: &Member) {
    push_json_string(data, member.user_id.as_str());
}

fn push_info(data: &mut String, member: &Member) {
    push_json_string(data, member.user_id.as_str());
    data.push(':');
    data.push_str(&user_info(&member.data));
}

/// Renders the members of [`subscribed`] piece by piece: see [`MemberList::prepare`].
pub fn prepare_members(members: &MemberList) -> impl Iterator<Item = usize> {
    let prepare = |rendered, push| frame_text::prepare_members(members, rendered, push);
    prepare(Rendered::PusherIds, push_id as fn(&mut String, &Member))
        .chain(prepare(Rendered::PusherInfos, push_info))
}

/// A subscription failed.
pub fn subscription_error(error: &SubscriptionErrorFrame) -> Bytes {
    let mut json = begin_frame(
        "pusher:subscription_error",
        error.channel.len() + error.message.len() + 96,
    );
    push_string_field(&mut json, "channel", &error.channel);
    json.push_str(",\"data\":{\"type\":");
    push_json_string(&mut json, error.kind);
    push_string_field(&mut json, "error", &error.message);
    push_field_name(&mut json, "status");
    json.push_str(&error.status.to_string());
    json.push('}');
    finish_frame(json)
}

/// The number of subscriptions of a channel.
pub(super) fn count(channel: &ChannelName, count: u64) -> Bytes {
    channel_event(
        "pusher_internal:subscription_count",
        channel,
        &format!("{{\"subscription_count\":{count}}}"),
    )
}

/// The client is signed in with this user data.
pub fn signed_in(user_data: &str) -> Bytes {
    let mut data = String::from("{\"user_data\":");
    push_json_string(&mut data, user_data);
    data.push('}');
    let mut json = begin_frame("pusher:signin_success", data.len() + data.len() / 8);
    push_string_field(&mut json, "data", &data);
    finish_frame(json)
}

/// The status of watched users, or a change of it.
pub fn watchlist_events(online: &[UserId], offline: &[UserId]) -> Bytes {
    let mut data = String::from("{\"events\":[");
    for (name, users) in [("online", online), ("offline", offline)] {
        if users.is_empty() {
            continue;
        }
        if data.ends_with('}') {
            data.push(',');
        }
        data.push_str(&format!("{{\"name\":\"{name}\",\"user_ids\":["));
        push_list(&mut data, users, |data, user| {
            push_json_string(data, user.as_str())
        });
        data.push_str("]}");
    }
    data.push_str("]}");
    let mut json = begin_frame(
        "pusher_internal:watchlist_events",
        data.len() + data.len() / 8,
    );
    push_string_field(&mut json, "data", &data);
    finish_frame(json)
}
