//! From what happened to a frame for the client.

use bytes::Bytes;

use super::super::Complaint;
use super::super::text::{Piece, begin, finish, finish_with, member_string, separated};
use crate::core::member_list::Rendered;
use crate::core::model::{ChannelName, Member, NewEvent, Position, SocketId, Timestamp};
use crate::core::service::Subscribed;
use crate::inbound::wire::{history_json, push_json_string, seconds_text};

/// The first frame.
pub fn greeting(id: SocketId) -> Bytes {
    let mut json = begin("pusher:connection_established", 64);
    member_string(&mut json, "data", &format!("{{\"socket_id\":\"{id}\"}}"));
    finish(json)
}

/// The answer to a ping.
pub fn pong() -> Bytes {
    let mut json = begin("pusher:pong", 16);
    member_string(&mut json, "data", "{}");
    finish(json)
}

/// An error frame. `channel` is always there: the original's JavaScript client reads it without checking.
pub fn complaint(complaint: &Complaint) -> Bytes {
    let mut json = begin("pusher:error", complaint.message.len() + 128);
    member_string(&mut json, "channel", &complaint.channel);
    json.push_str(",\"data\":{\"code\":");
    json.push_str(&complaint.code.to_string());
    member_string(&mut json, "message", &complaint.message);
    member_string(&mut json, "event", &complaint.event);
    if let Some(reference) = &complaint.reference {
        member_string(&mut json, "ref", reference);
    }
    json.push('}');
    finish(json)
}

/// An event on its way to subscribers.
pub fn event(event: &NewEvent, position: Option<Position>) -> Bytes {
    let payload = &event.payload;
    let mut json = begin(
        &payload.event,
        payload.data.len() + payload.extra.len() + event.channel.as_str().len() + 160,
    );
    member_string(&mut json, "channel", event.channel.as_str());
    member_string(&mut json, "data", &payload.data);
    if !payload.extra.is_empty() {
        json.push(',');
        json.push_str(&payload.extra);
    }
    if let Some(position) = position {
        member_string(&mut json, "mid", &event.mid.0);
        json.push_str(",\"serial\":");
        json.push_str(&position.serial.to_string());
        json.push_str(",\"timestamp\":");
        json.push_str(&seconds_text(event.timestamp));
    }
    if let Some(publish) = &event.publish {
        member_string(&mut json, "publish", &publish.0);
    }
    finish(json)
}

/// A member that came or went.
pub fn member(event: &str, channel: &ChannelName, member: &Member) -> Bytes {
    let mut json = begin(event, channel.as_str().len() + member.data.len() + 64);
    member_string(&mut json, "channel", channel.as_str());
    member_string(&mut json, "member", &member.data);
    finish(json)
}

/// A persisted publish has been stored.
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
    member_string(&mut data, "mid", mid);
    data.push_str(&format!(
        ",\"serial\":{serial},\"timestamp\":{}}}",
        seconds_text(timestamp)
    ));
    let mut json = begin("pusher_internal:published", 256);
    member_string(&mut json, "channel", channel.as_str());
    member_string(&mut json, "data", &data);
    finish(json)
}

/// What a client is told of a channel: the answer to `pusher:subscribe`, `pusher:unsubscribe` and `pusher:latest`.
pub fn state(event: &str, channel: &ChannelName, state: &Subscribed) -> Vec<Bytes> {
    let mut begins = String::from("{\"name\":");
    push_json_string(&mut begins, channel.as_str());
    begins.push_str(",\"members\":{");
    let mut ends = String::from("},\"alias\":[");
    separated(&mut ends, &state.alias, |data, alias| {
        push_json_string(data, alias.as_str())
    });
    ends.push_str("],\"events\":[");
    separated(&mut ends, &state.events, |data, event| {
        data.push_str(&history_json(event))
    });
    ends.push(']');
    if let Some((recovered, serial)) = state.recovered {
        ends.push_str(&format!(",\"recovered\":{recovered},\"serial\":{serial}"));
    }
    ends.push('}');
    let mut json = begin(
        event,
        ends.len() + ends.len() / 8 + channel.as_str().len() + 96,
    );
    member_string(&mut json, "channel", channel.as_str());
    let members = Piece::Kept(&state.members, Rendered::Pushi, |data, member| {
        push_json_string(data, member.user_id.as_str());
        data.push(':');
        data.push_str(&member.data);
    });
    finish_with(
        json,
        "data",
        &[Piece::Own(begins), members, Piece::Own(ends)],
    )
}
