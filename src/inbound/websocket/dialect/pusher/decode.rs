//! Decoding of a Pusher client's frames.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::command::{ClientEventFrame, PusherCommand};
use crate::core::hub::SignedIn;
use crate::core::model::{ChannelKind, ChannelName, Limits, UserId, check_event_name};
use crate::core::service::{ChannelData, SignIn, Since, Subscribe};
use crate::inbound::websocket::dialect::channel_data::channel_data;
use crate::inbound::websocket::dialect::fields::{FrameFields, boolean, number, string};
use crate::inbound::websocket::dialect::object_entries::ObjectEntries;
use crate::inbound::websocket::dialect::token::{TOKEN_DATA, token};
use crate::inbound::wire::{compact, push_json_string};

/// The most users of a watchlist; the others are left out.
const MAX_WATCHLIST: usize = 100;

/// An invalid frame, by the kind of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// An error frame with this code and message.
    Frame(u16, String),
    /// `pusher:subscription_error`.
    Subscription(SubscriptionErrorFrame),
    /// An error frame with this message; then the connection is closed.
    SignIn(&'static str),
}

/// The content of `pusher:subscription_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionErrorFrame {
    /// The channel as the client sent it.
    pub channel: String,
    /// Pusher's `type`.
    pub kind: &'static str,
    /// The problem and its remedy.
    pub message: String,
    /// The corresponding HTTP status.
    pub status: u16,
}

fn frame<T>(code: u16, message: impl Into<String>) -> Result<T, DecodeError> {
    Err(DecodeError::Frame(code, message.into()))
}

/// Decodes a frame. `limits` bounds the names.
///
/// # Errors
///
/// The answer to an invalid frame.
pub fn decode(text: &str, limits: &Limits) -> Result<PusherCommand, DecodeError> {
    let fields = parse(text)?;
    let Some(event) = fields.event.and_then(string) else {
        return frame(
            4312,
            "the frame has no event: set the member \"event\" to a string",
        );
    };
    match event.as_str() {
        "pusher:ping" => Ok(PusherCommand::Ping),
        "pusher:pong" => Ok(PusherCommand::Pong),
        "pusher:subscribe" => with_data(&fields, |data| subscribe(data, limits)),
        "pusher:unsubscribe" => with_data(&fields, |data| unsubscribe(data, limits)),
        "pusher:signin" => with_data(&fields, sign_in),
        "pusher:token" => match token(fields.data) {
            Some(token) => Ok(PusherCommand::Token(token)),
            None => frame(4314, TOKEN_DATA),
        },
        _ if event.starts_with("client-") => client_event(event, &fields, limits),
        _ => frame(
            4313,
            "not an event that a client may send: names of client events begin with client-",
        ),
    }
}

fn parse(text: &str) -> Result<FrameFields<'_>, DecodeError> {
    match serde_json::from_str(text) {
        Ok(fields) => Ok(fields),
        // Another value than an object is rejected at its first character; the rest may still not
        // be JSON.
        Err(error) if error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok() => frame(
            4311,
            "the frame is JSON but not an object: send one JSON object per frame",
        ),
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            frame(
                4310,
                format!("the frame is not JSON (at {place}): send one JSON object per frame"),
            )
        }
    }
}

/// Decodes `data`, an object or a string that contains one.
fn with_data(
    fields: &FrameFields<'_>,
    command: impl Fn(&FrameFields<'_>) -> Result<PusherCommand, DecodeError>,
) -> Result<PusherCommand, DecodeError> {
    let malformed = || {
        frame(
            4314,
            "data must be a JSON object, or a string that contains one",
        )
    };
    let Some(data) = fields.data else {
        return malformed();
    };
    let text = match data.get().starts_with('"') {
        false => Cow::Borrowed(data.get()),
        true => match string(data) {
            Some(text) => Cow::Owned(text),
            None => return malformed(),
        },
    };
    match serde_json::from_str::<FrameFields<'_>>(&text) {
        Ok(inner) => command(&inner),
        Err(_) => malformed(),
    }
}

fn to_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn channel_field(data: &FrameFields<'_>) -> Result<String, DecodeError> {
    match data.channel.map(string) {
        Some(Some(name)) => Ok(name),
        _ => frame(4314, "no channel: set the member \"channel\" to a string"),
    }
}

fn subscribe(data: &FrameFields<'_>, limits: &Limits) -> Result<PusherCommand, DecodeError> {
    let name = channel_field(data)?;
    let invalid = |kind, status, message: &str| {
        let channel = name.clone();
        Err(DecodeError::Subscription(SubscriptionErrorFrame {
            channel,
            kind,
            message: message.to_owned(),
            status,
        }))
    };
    let channel = match ChannelName::parse_pusher(&name, to_usize(limits.channel_name)) {
        Ok(channel) => channel,
        Err(error) => return invalid("InvalidChannel", 400, &error.to_string()),
    };
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return invalid("AuthError", 401, "auth must be a string: <app_key>:<hex>"),
    };
    let client_data = match data
        .channel_data
        .map(|value| subscription_data(value, &channel))
    {
        None => None,
        Some(Ok(read)) => Some(read),
        Some(Err(message)) => return invalid("InvalidChannelData", 400, message),
    };
    let since = match data.since.map(|value| (number(value), string(value))) {
        None => None,
        Some((Some(serial), _)) => Some(Since::Serial(serial)),
        Some((None, Some(text))) if text == "now" => Some(Since::Now),
        Some(_) => {
            return invalid(
                "InvalidSince",
                400,
                "since must be an integer from 0 or \"now\"",
            );
        }
    };
    let paging = match data.paging.map(boolean) {
        None => false,
        Some(Some(paging)) => paging,
        Some(None) => return invalid("InvalidSince", 400, "paging must be true or false"),
    };
    Ok(PusherCommand::Subscribe(Box::new(Subscribe {
        channel,
        auth,
        channel_data: client_data,
        since,
        // This dialect has no frame that names aliases.
        follow: false,
        paging,
    })))
}

/// Channel data; on channels without members any text is accepted.
fn subscription_data(value: &RawValue, channel: &ChannelName) -> Result<ChannelData, &'static str> {
    let read = match channel_data(value, channel) {
        Err(_) if channel.kind() != ChannelKind::Presence => {
            let signed = string(value)
                .ok_or("channel_data must be a string of valid Unicode")?
                .into();
            ChannelData {
                signed,
                object: Arc::from("{}"),
                user_id: None,
                peer: false,
            }
        }
        read => read?,
    };
    // This dialect has no peer channels.
    Ok(ChannelData {
        peer: false,
        ..read
    })
}

fn unsubscribe(data: &FrameFields<'_>, limits: &Limits) -> Result<PusherCommand, DecodeError> {
    match ChannelName::parse_pusher(&channel_field(data)?, to_usize(limits.channel_name)) {
        Ok(channel) => Ok(PusherCommand::Unsubscribe(channel)),
        Err(error) => frame(4315, error.to_string()),
    }
}

fn sign_in(data: &FrameFields<'_>) -> Result<PusherCommand, DecodeError> {
    let invalid = |message| Err(DecodeError::SignIn(message));
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return invalid("auth must be a string: <app_key>:<hex>"),
    };
    let Some(user_data) = data.user_data.and_then(string) else {
        return invalid("signing in requires user_data, a string that contains a JSON object");
    };
    let Some(entries) = ObjectEntries::parse(&user_data) else {
        return invalid("user_data must be a string that contains a JSON object");
    };
    let Some(user) = entries
        .get("id")
        .and_then(string)
        .as_deref()
        .and_then(UserId::parse)
    else {
        return invalid("user_data must have an id, a string of 1 to 128 characters");
    };
    let Some((watchlist, too_long)) = entries
        .get("watchlist")
        .map_or(Some((Vec::new(), false)), |json| watchlist(json.get()))
    else {
        return invalid(
            "watchlist must be a list of user ids, each a string of 1 to 128 characters",
        );
    };
    let data = member_text(&user, entries.get("user_info"));
    let signed = SignedIn {
        user,
        data: data.into(),
        watchlist,
    };
    Ok(PusherCommand::SignIn(
        Box::new(SignIn {
            auth,
            user_data,
            signed,
        }),
        too_long,
    ))
}

/// The users of a watchlist without duplicates, and whether it was cut; `None`: it is not a list of
/// user ids.
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
    let too_long = users.len() > MAX_WATCHLIST;
    users.truncate(MAX_WATCHLIST);
    Some((users, too_long))
}

/// The data of a member that joins by its sign-in, without channel data.
fn member_text(user: &UserId, info: Option<&RawValue>) -> String {
    let mut json = String::from("{\"user_id\":");
    push_json_string(&mut json, user.as_str());
    if let Some(info) = info {
        json.push_str(",\"user_info\":");
        json.push_str(info.get());
    }
    json.push('}');
    json
}

fn client_event(
    event: String,
    fields: &FrameFields<'_>,
    limits: &Limits,
) -> Result<PusherCommand, DecodeError> {
    if let Err(error) = check_event_name(&event, to_usize(limits.event_name)) {
        return frame(4315, error.to_string());
    }
    let channel =
        match ChannelName::parse_pusher(&channel_field(fields)?, to_usize(limits.channel_name)) {
            Ok(channel) => channel,
            Err(error) => return frame(4315, error.to_string()),
        };
    let data = match fields.data {
        None => "null".to_owned(),
        Some(value) if value.get().starts_with('"') => match string(value) {
            Some(text) => text,
            None => return frame(4314, "data contains a string that is not valid Unicode"),
        },
        Some(value) => compact(value.get()).into_owned(),
    };
    Ok(PusherCommand::ClientEvent(Box::new(ClientEventFrame {
        channel,
        event,
        data,
    })))
}

#[cfg(test)]
mod tests;
