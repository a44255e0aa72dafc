//! From what happened to a frame for the client.

use bytes::Bytes;

use super::super::Complaint;
use super::super::text::{
    Piece, begin, finish, finish_with, member_name, member_string, separated,
};
use super::decode::SubscriptionRefused;
use super::member::{Entries, user_info};
use crate::core::member_list::Rendered;
use crate::core::model::{
    CachedEvent, ChannelKind, ChannelName, Member, Mid, NewEvent, Position, SocketId, Timestamp,
    UserId,
};
use crate::core::service::Subscribed;
use crate::inbound::wire::{push_json_string, seconds_text};

/// The first frame. `activity` is after how many silent seconds the client is pinged; not 0, or pusher-js throws.
pub fn greeting(id: SocketId, activity: u32) -> Bytes {
    let mut json = begin("pusher:connection_established", 96);
    member_string(
        &mut json,
        "data",
        &format!(
            "{{\"socket_id\":\"{id}\",\"activity_timeout\":{}}}",
            activity.max(1)
        ),
    );
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
    let mut json = begin(
        &payload.event,
        payload.data.len() + event.channel.as_str().len() + 160,
    );
    member_string(&mut json, "channel", event.channel.as_str());
    member_string(&mut json, "data", &payload.data);
    if let Some(user) = sender(event) {
        member_name(&mut json, "user_id");
        json.push_str(&user);
    }
    if let Some(position) = position {
        stored(&mut json, &event.mid, position.serial, event.timestamp);
    }
    finish(json)
}

/// What persisted events carry besides.
fn stored(json: &mut String, mid: &Mid, serial: u64, timestamp: Timestamp) {
    member_string(json, "mid", &mid.0);
    member_name(json, "serial");
    json.push_str(&serial.to_string());
    member_name(json, "timestamp");
    json.push_str(&seconds_text(timestamp));
}

/// The last event of a cache channel, for a new subscriber.
pub fn cached(event: &CachedEvent) -> Bytes {
    let mut json = begin(
        &event.event,
        event.data.len() + event.channel.as_str().len() + 160,
    );
    member_string(&mut json, "channel", event.channel.as_str());
    member_string(&mut json, "data", &event.data);
    if let Some(serial) = event.serial {
        stored(&mut json, &event.mid, serial, event.timestamp);
    }
    finish(json)
}

/// A cache channel has nothing for a new subscriber.
pub fn cache_miss(channel: &ChannelName) -> Bytes {
    internal("pusher:cache_miss", channel, "{}")
}

/// The further member that a client event on a presence channel carries: who sent it.
pub fn sender_text(user: &UserId) -> String {
    let mut json = String::from("\"user_id\":");
    push_json_string(&mut json, user.as_str());
    json
}

/// The user who sent a client event on a presence channel, as JSON. No publisher can say one: the server adds it.
fn sender(event: &NewEvent) -> Option<String> {
    let payload = &event.payload;
    let told = !payload.extra.is_empty()
        && payload.event.starts_with("client-")
        && event.channel.kind() == ChannelKind::Presence;
    if !told {
        return None;
    }
    Entries::of(&format!("{{{}}}", payload.extra))
        .get("user_id")
        .map(str::to_owned)
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
    let mut json = begin(
        event,
        data.len() + data.len() / 8 + channel.as_str().len() + 32,
    );
    member_string(&mut json, "channel", channel.as_str());
    member_string(&mut json, "data", data);
    finish(json)
}

/// A client is on a channel. Of a presence channel it is told who else is; with `since`, what it has got.
pub fn subscribed(channel: &ChannelName, state: &Subscribed) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(5);
    let mut data = String::from("{");
    if channel.kind() == ChannelKind::Presence {
        data.push_str(&format!(
            "\"presence\":{{\"count\":{},\"ids\":[",
            state.members.len()
        ));
        let ids = Piece::Kept(&state.members, Rendered::PusherIds, |data, member| {
            push_json_string(data, member.user_id.as_str())
        });
        let infos = Piece::Kept(&state.members, Rendered::PusherInfos, |data, member| {
            push_json_string(data, member.user_id.as_str());
            data.push(':');
            data.push_str(&user_info(&member.data));
        });
        pieces.extend([
            Piece::Own(std::mem::take(&mut data)),
            ids,
            Piece::Own("],\"hash\":{".to_owned()),
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
    data.push('}');
    pieces.push(Piece::Own(data));
    let mut json = begin(
        "pusher_internal:subscription_succeeded",
        channel.as_str().len() + 128,
    );
    member_string(&mut json, "channel", channel.as_str());
    finish_with(json, "data", &pieces)
}

/// A client is not on the channel that it asked for.
pub fn subscription_refused(refused: &SubscriptionRefused) -> Bytes {
    let mut json = begin(
        "pusher:subscription_error",
        refused.channel.len() + refused.message.len() + 96,
    );
    member_string(&mut json, "channel", &refused.channel);
    json.push_str(",\"data\":{\"type\":");
    push_json_string(&mut json, refused.kind);
    member_string(&mut json, "error", &refused.message);
    member_name(&mut json, "status");
    json.push_str(&refused.status.to_string());
    json.push('}');
    finish(json)
}

/// How many are on a channel now.
pub fn count(channel: &ChannelName, count: u64) -> Bytes {
    internal(
        "pusher_internal:subscription_count",
        channel,
        &format!("{{\"subscription_count\":{count}}}"),
    )
}

/// A client is signed in with this user data.
pub fn signed_in(user_data: &str) -> Bytes {
    let mut data = String::from("{\"user_data\":");
    push_json_string(&mut data, user_data);
    data.push('}');
    let mut json = begin("pusher:signin_success", data.len() + data.len() / 8);
    member_string(&mut json, "data", &data);
    finish(json)
}

/// Which of the watched users are there, or have come or gone.
pub fn watched(online: &[UserId], offline: &[UserId]) -> Bytes {
    let mut data = String::from("{\"events\":[");
    for (name, users) in [("online", online), ("offline", offline)] {
        if users.is_empty() {
            continue;
        }
        if data.ends_with('}') {
            data.push(',');
        }
        data.push_str(&format!("{{\"name\":\"{name}\",\"user_ids\":["));
        separated(&mut data, users, |data, user| {
            push_json_string(data, user.as_str())
        });
        data.push_str("]}");
    }
    data.push_str("]}");
    let mut json = begin(
        "pusher_internal:watchlist_events",
        data.len() + data.len() / 8,
    );
    member_string(&mut json, "data", &data);
    finish(json)
}
