//! Frames of the Pushi and the Pusher protocol, as far as a client under test needs them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{Secret, channel_auth};

/// A dialect that servers speak. They differ in how clients publish; subscribing is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Pushi,
    /// Version 7 of the Pusher Channels protocol.
    Pusher,
}

/// Encodes the frames that clients send.
pub(crate) struct Protocol {
    pub(crate) dialect: Dialect,
    /// The app's public key.
    pub(crate) key: String,
    /// Signs subscriptions to channels that need it. `None`: it is not configured.
    pub(crate) secret: Option<Secret>,
}

impl Protocol {
    /// A subscription. `member`: the channel data of a presence channel, as JSON.
    pub(crate) fn subscribe(&self, socket_id: &str, channel: &str, member: Option<&str>) -> String {
        let mut data = json!({"channel": channel});
        if let (true, Some(secret)) = (needs_signature(channel), &self.secret) {
            data["auth"] = channel_auth(&self.key, secret, socket_id, channel, member).into();
        }
        if let Some(member) = member {
            data["channel_data"] = member.into();
        }
        json!({"event": "pusher:subscribe", "data": data}).to_string()
    }

    /// A publish to the other subscribers of a channel.
    pub(crate) fn publish(&self, channel: &str, data: &str, persist: bool) -> String {
        match self.dialect {
            Dialect::Pushi => json!({"event": "message", "channel": channel, "data": data, "echo": false, "persist": persist}),
            Dialect::Pusher => json!({"event": "client-message", "channel": channel, "data": data}),
        }
        .to_string()
    }
}

/// Whether a subscription to the channel must be signed, in either dialect.
pub(crate) fn needs_signature(channel: &str) -> bool {
    ["private-", "presence-", "personal-"]
        .iter()
        .any(|prefix| channel.starts_with(prefix))
}

/// The channel data of a presence member, valid in both dialects and for peer channels.
pub(crate) fn member(number: usize) -> String {
    json!({"user_id": format!("user-{number}"), "peer": true, "user_info": {"name": format!("User {number}")}}).to_string()
}

/// A frame of the server that is not a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerMessage {
    /// The first frame of a connection, with the socket id.
    ConnectionEstablished(String),
    SubscriptionSucceeded,
    Ping,
    /// The code, if there is one, and a text that includes it.
    Error(Option<u16>, String),
    Other,
}

impl ServerMessage {
    pub(crate) fn parse(payload: &[u8]) -> Self {
        // The event name is near the start. The member list of a large presence channel is not
        // searched.
        let start = &payload[..payload.len().min(256)];
        let has = |needle: &str| find(start, needle.as_bytes()).is_some();
        if has("subscription_succeeded") {
            Self::SubscriptionSucceeded
        } else if has("connection_established") {
            socket_id(payload).map_or(Self::Other, Self::ConnectionEstablished)
        } else if has("pusher:ping") {
            Self::Ping
        } else if has("pusher:error") || has("subscription_error") {
            error(payload)
        } else {
            Self::Other
        }
    }
}

/// The position of the first occurrence of `needle`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The `data` of a frame: an object, or JSON in a string.
fn data(payload: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        data: Value,
    }
    let envelope: Envelope = serde_json::from_slice(payload).ok()?;
    match envelope.data {
        Value::String(text) => serde_json::from_str(&text).ok(),
        other => Some(other),
    }
}

fn socket_id(payload: &[u8]) -> Option<String> {
    data(payload)?["socket_id"].as_str().map(str::to_owned)
}

fn error(payload: &[u8]) -> ServerMessage {
    let data = data(payload).unwrap_or_default();
    let reason = ["message", "error"]
        .iter()
        .find_map(|name| data[name].as_str())
        .unwrap_or("the server gave no reason for its error");
    let code = ["code", "status"]
        .iter()
        .find_map(|name| data[name].as_u64());
    let text = code.map_or_else(|| reason.to_owned(), |code| format!("{reason} ({code})"));
    ServerMessage::Error(code.and_then(|code| u16::try_from(code).ok()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_messages_of_both_dialects_are_parsed() {
        let established = |id: &str| ServerMessage::ConnectionEstablished(id.to_owned());
        assert_eq!(
            ServerMessage::parse(
                br#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"}"#
            ),
            established("1.2")
        );
        assert_eq!(
            ServerMessage::parse(
                br#"{"data":{"socket_id":"3.4"},"event":"pusher:connection_established"}"#
            ),
            established("3.4")
        );
        assert_eq!(
            ServerMessage::parse(
                br#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#
            ),
            ServerMessage::SubscriptionSucceeded
        );
        assert_eq!(
            ServerMessage::parse(br#"{"event":"pusher:ping","data":{}}"#),
            ServerMessage::Ping
        );
        assert_eq!(
            ServerMessage::parse(br#"{"event":"message","data":"x"}"#),
            ServerMessage::Other
        );
        let error = |code, text: &str| ServerMessage::Error(Some(code), text.to_owned());
        assert_eq!(
            ServerMessage::parse(
                br#"{"event":"pusher:error","data":{"code":4001,"message":"no app"}}"#
            ),
            error(4001, "no app (4001)")
        );
        let payload =
            br#"{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"bad","status":401}}"#;
        assert_eq!(ServerMessage::parse(payload), error(401, "bad (401)"));
        assert!(matches!(
            ServerMessage::parse(br#"{"event":"pusher:error"}"#),
            ServerMessage::Error(None, _)
        ));
    }

    #[test]
    fn subscriptions_are_signed_with_their_channel_data() {
        let protocol = Protocol {
            dialect: Dialect::Pusher,
            key: "k".into(),
            secret: Some(Secret::new("s")),
        };
        assert!(!protocol.subscribe("1.2", "bench", None).contains("auth"));
        let frame: Value =
            serde_json::from_str(&protocol.subscribe("1.2", "presence-b", Some(&member(7))))
                .unwrap();
        let auth = channel_auth(
            "k",
            &Secret::new("s"),
            "1.2",
            "presence-b",
            Some(&member(7)),
        );
        assert_eq!(
            (&frame["data"]["auth"], &frame["data"]["channel_data"]),
            (&auth.into(), &member(7).into())
        );
    }
}
