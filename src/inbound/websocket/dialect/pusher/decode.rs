//! From a client's frame to a command with types that cannot be wrong.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::super::channel_data::channel_data;
use super::super::members::{Members, compact, number, string};
use super::member::Entries;
use crate::core::hub::SignedIn;
use crate::core::model::{ChannelKind, ChannelName, Limits, UserId, check_event_name};
use crate::core::service::{ChannelData, SignIn, Since, Subscribe};
use crate::inbound::wire::push_json_string;

/// A watchlist may name so many users; the others are left out.
const MOST_WATCHED: usize = 100;

/// What a client wants.
#[derive(Debug, Clone)]
pub enum Command {
    /// To be on a channel.
    Subscribe(Box<Subscribe>),
    /// To leave a channel.
    Unsubscribe(ChannelName),
    /// To be signed in; with whether the watchlist was too long.
    SignIn(Box<SignIn>, bool),
    /// To tell the others on a channel.
    Whisper(Box<Whisper>),
    /// To hear that the server is there.
    Ping,
    /// To say that it is there.
    Pong,
}

/// What a client tells the others on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whisper {
    /// The channel.
    pub channel: ChannelName,
    /// The event's name, which begins with `client-`.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// What is wrong with a frame, by how the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// By an error frame with this code.
    Frame(u16, String),
    /// By an error on the channel that it asked for.
    Subscription(SubscriptionRefused),
    /// By an error frame, after which the connection is closed.
    SignIn(&'static str),
}

/// Why a client is not on the channel that it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRefused {
    /// The channel, as the client named it.
    pub channel: String,
    /// The kind of error.
    pub kind: &'static str,
    /// What was wrong, and what to do about it.
    pub message: String,
    /// The HTTP status that says about the same.
    pub status: u16,
}

fn frame<T>(code: u16, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Frame(code, message.into()))
}

/// Reads a frame. `limits` bounds the names.
pub fn decode(text: &str, limits: &Limits) -> Result<Command, Refused> {
    let members = read(text)?;
    let Some(event) = members.event.and_then(string) else {
        return frame(
            4312,
            "the frame has no event: name one, as a string, in its member \"event\"",
        );
    };
    match event.as_str() {
        "pusher:ping" => Ok(Command::Ping),
        "pusher:pong" => Ok(Command::Pong),
        "pusher:subscribe" => with_data(&members, |data| subscribe(data, limits)),
        "pusher:unsubscribe" => with_data(&members, |data| unsubscribe(data, limits)),
        "pusher:signin" => with_data(&members, sign_in),
        _ if event.starts_with("client-") => whisper(event, &members, limits),
        _ => frame(
            4313,
            "not an event that a client may send: those of its own begin with client-",
        ),
    }
}

fn read(text: &str) -> Result<Members<'_>, Refused> {
    match serde_json::from_str(text) {
        Ok(members) => Ok(members),
        // What is not an object is refused at its first character, so it may still be no JSON further on.
        Err(error) if error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok() => frame(
            4311,
            "the frame is JSON but not an object: send one JSON object a frame",
        ),
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            frame(
                4310,
                format!("the frame is not JSON (at {place}): send one JSON object a frame"),
            )
        }
    }
}

/// Reads `data`: an object, or a string that holds one.
fn with_data(
    members: &Members<'_>,
    command: impl Fn(&Members<'_>) -> Result<Command, Refused>,
) -> Result<Command, Refused> {
    let malformed = || {
        frame(
            4314,
            "data must be an object, or a string that holds one as JSON",
        )
    };
    let Some(data) = members.data else {
        return malformed();
    };
    let text = match data.get().starts_with('"') {
        false => Cow::Borrowed(data.get()),
        true => match string(data) {
            Some(text) => Cow::Owned(text),
            None => return malformed(),
        },
    };
    match serde_json::from_str::<Members<'_>>(&text) {
        Ok(inner) => command(&inner),
        Err(_) => malformed(),
    }
}

fn bound(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn name(data: &Members<'_>) -> Result<String, Refused> {
    match data.channel.map(string) {
        Some(Some(name)) => Ok(name),
        _ => frame(
            4314,
            "no channel: name one, as a string, in the member \"channel\"",
        ),
    }
}

fn subscribe(data: &Members<'_>, limits: &Limits) -> Result<Command, Refused> {
    let name = name(data)?;
    let refused = |kind, status, message: &str| {
        let channel = name.clone();
        Err(Refused::Subscription(SubscriptionRefused {
            channel,
            kind,
            message: message.to_owned(),
            status,
        }))
    };
    let channel = match ChannelName::parse_pusher(&name, bound(limits.channel_name)) {
        Ok(channel) => channel,
        Err(error) => return refused("InvalidChannel", 400, &error.to_string()),
    };
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return refused("AuthError", 401, "auth must be a string: <app_key>:<hex>"),
    };
    let data_of_client = match data.channel_data.map(|value| about_client(value, &channel)) {
        None => None,
        Some(Some(read)) => Some(read),
        Some(None) => {
            return refused(
                "InvalidChannelData",
                400,
                "channel_data must be a string that holds a JSON object",
            );
        }
    };
    let since = match data.since.map(|value| (number(value), string(value))) {
        None => None,
        Some((Some(serial), _)) => Some(Since::Serial(serial)),
        Some((None, Some(text))) if text == "now" => Some(Since::Now),
        Some(_) => {
            return refused(
                "InvalidSince",
                400,
                "since must be a whole number from 0 or \"now\"",
            );
        }
    };
    Ok(Command::Subscribe(Box::new(Subscribe {
        channel,
        auth,
        channel_data: data_of_client,
        since,
    })))
}

/// Channel data; where no member comes of it, any text will do.
fn about_client(value: &RawValue, channel: &ChannelName) -> Option<ChannelData> {
    let read = match channel_data(value) {
        None if channel.kind() != ChannelKind::Presence => {
            let signed = string(value)?.into();
            ChannelData {
                signed,
                object: Arc::from("{}"),
                user_id: None,
                peer: false,
            }
        }
        read => read?,
    };
    // Peer channels are not for this dialect.
    Some(ChannelData {
        peer: false,
        ..read
    })
}

fn unsubscribe(data: &Members<'_>, limits: &Limits) -> Result<Command, Refused> {
    match ChannelName::parse_pusher(&name(data)?, bound(limits.channel_name)) {
        Ok(channel) => Ok(Command::Unsubscribe(channel)),
        Err(error) => frame(4315, error.to_string()),
    }
}

fn sign_in(data: &Members<'_>) -> Result<Command, Refused> {
    let refused = |message| Err(Refused::SignIn(message));
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return refused("auth must be a string: <app_key>:<hex>"),
    };
    let Some(user_data) = data.user_data.and_then(string) else {
        return refused("signing in needs user_data, a string that holds a JSON object");
    };
    let Ok(Entries(entries)) = serde_json::from_str::<Entries<'_>>(&user_data) else {
        return refused("user_data must be a string that holds a JSON object");
    };
    let entries = Entries(entries);
    let text = |json: &str| serde_json::from_str::<String>(json).ok();
    let Some(user) = entries
        .get("id")
        .and_then(text)
        .as_deref()
        .and_then(UserId::parse)
    else {
        return refused("user_data must have an id, a string of 1 to 128 characters");
    };
    let Some((watchlist, too_long)) = entries
        .get("watchlist")
        .map_or(Some((Vec::new(), false)), watchlist)
    else {
        return refused(
            "watchlist must be a list of user ids, each a string of 1 to 128 characters",
        );
    };
    let shown = member_text(&user, entries.get("user_info"));
    let signed = SignedIn {
        user,
        data: shown.into(),
        watchlist,
    };
    Ok(Command::SignIn(
        Box::new(SignIn {
            auth,
            user_data,
            signed,
        }),
        too_long,
    ))
}

/// The users named, each once, and whether there were too many; `None`: it is not a list of users.
fn watchlist(json: &str) -> Option<(Vec<UserId>, bool)> {
    if json == "null" {
        return Some((Vec::new(), false));
    }
    let ids: Vec<String> = serde_json::from_str(json).ok()?;
    let mut seen = HashSet::new();
    let mut users = Vec::new();
    for id in &ids {
        let user = UserId::parse(id)?;
        if seen.insert(id) {
            users.push(user);
        }
    }
    let too_long = users.len() > MOST_WATCHED;
    users.truncate(MOST_WATCHED);
    Some((users, too_long))
}

/// What a member is shown as that is there by its sign-in.
fn member_text(user: &UserId, info: Option<&str>) -> String {
    let mut json = String::from("{\"user_id\":");
    push_json_string(&mut json, user.as_str());
    if let Some(info) = info {
        json.push_str(",\"user_info\":");
        json.push_str(&compact(info));
    }
    json.push('}');
    json
}

fn whisper(event: String, members: &Members<'_>, limits: &Limits) -> Result<Command, Refused> {
    if let Err(error) = check_event_name(&event, bound(limits.event_name)) {
        return frame(4315, error.to_string());
    }
    let channel = match ChannelName::parse_pusher(&name(members)?, bound(limits.channel_name)) {
        Ok(channel) => channel,
        Err(error) => return frame(4315, error.to_string()),
    };
    let data = match members.data {
        None => "null".to_owned(),
        Some(value) if value.get().starts_with('"') => match string(value) {
            Some(text) => text,
            None => return frame(4314, "data holds a text that is not Unicode"),
        },
        Some(value) => compact(value.get()),
    };
    Ok(Command::Whisper(Box::new(Whisper {
        channel,
        event,
        data,
    })))
}

#[cfg(test)]
mod tests;
