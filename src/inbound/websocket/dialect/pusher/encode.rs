//! From what happened to a frame for the client.

use bytes::Bytes;

use super::super::Complaint;
use super::super::text::{begin, finish, member_name, member_string};
use super::member::{Entries, user_info};
use crate::core::model::{ChannelKind, ChannelName, Member, NewEvent, Position, SocketId};
use crate::inbound::wire::{push_json_string, seconds_text};

/// The first frame. `activity` is after how many silent seconds the client is pinged; not 0, or pusher-js throws.
pub fn greeting(id: SocketId, activity: u32) -> Bytes {
    let mut json = begin("pusher:connection_established", 96);
    member_string(&mut json, "data", &format!("{{\"socket_id\":\"{id}\",\"activity_timeout\":{}}}", activity.max(1)));
    finish(json)
}

/// A question whether the client is there.
pub fn ping() -> Bytes {
    empty("pusher:ping")
}

/// The answer to a ping.
pub fn pong() -> Bytes {
    empty("pusher:pong")
}

fn empty(event: &str) -> Bytes {
    let mut json = begin(event, 16);
    member_string(&mut json, "data", "{}");
    finish(json)
}

/// An error frame, about the connection as a whole.
pub fn complaint(complaint: &Complaint) -> Bytes {
    let mut json = begin("pusher:error", complaint.message.len() + 64);
    json.push_str(",\"data\":{\"code\":");
    json.push_str(&complaint.code.to_string());
    member_string(&mut json, "message", &complaint.message);
    json.push('}');
    finish(json)
}

/// An event on its way to subscribers.
pub fn event(event: &NewEvent, position: Option<Position>) -> Bytes {
    let payload = &event.payload;
    let mut json = begin(&payload.event, payload.data.len() + event.channel.as_str().len() + 160);
    member_string(&mut json, "channel", event.channel.as_str());
    member_string(&mut json, "data", &payload.data);
    if let Some(user) = sender(event) {
        member_name(&mut json, "user_id");
        json.push_str(&user);
    }
    if let Some(position) = position {
        member_string(&mut json, "mid", &event.mid.0);
        member_name(&mut json, "serial");
        json.push_str(&position.serial.to_string());
        member_name(&mut json, "timestamp");
        json.push_str(&seconds_text(event.timestamp));
    }
    finish(json)
}

/// The user who sent a client event on a presence channel, as JSON. No publisher can say one: the server adds it.
fn sender(event: &NewEvent) -> Option<String> {
    let payload = &event.payload;
    let told = !payload.extra.is_empty() && payload.event.starts_with("client-") && event.channel.kind() == ChannelKind::Presence;
    if !told {
        return None;
    }
    Entries::of(&format!("{{{}}}", payload.extra)).get("user_id").map(str::to_owned)
}

/// A user came to a presence channel.
pub fn member_added(channel: &ChannelName, member: &Member) -> Bytes {
    let mut data = String::with_capacity(member.data.len() + 64);
    data.push_str("{\"user_id\":");
    push_json_string(&mut data, member.user_id.as_str());
    member_name(&mut data, "user_info");
    data.push_str(&user_info(&member.data));
    data.push('}');
    internal("pusher_internal:member_added", channel, &data)
}

/// A user left a presence channel.
pub fn member_removed(channel: &ChannelName, member: &Member) -> Bytes {
    let mut data = String::from("{\"user_id\":");
    push_json_string(&mut data, member.user_id.as_str());
    data.push('}');
    internal("pusher_internal:member_removed", channel, &data)
}

fn internal(event: &str, channel: &ChannelName, data: &str) -> Bytes {
    let mut json = begin(event, data.len() + data.len() / 8 + channel.as_str().len() + 32);
    member_string(&mut json, "channel", channel.as_str());
    member_string(&mut json, "data", data);
    finish(json)
}
