//! What a client says in each dialect, and what it looks for in what it hears.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::auth::channel_auth;
use crate::core::model::Secret;
use crate::core::ports::DialectId;

/// The dialect, and what is signed with.
pub struct Words {
    /// What is spoken.
    pub dialect: DialectId,
    /// The app's public key.
    pub key: String,
    /// The app's secret; needed for channels that ask for a signature.
    pub secret: Option<Secret>,
}

/// A frame of a server, as far as it is read before a client is on its channels.
#[derive(Deserialize)]
struct Heard {
    #[serde(default)]
    data: Value,
}

impl Words {
    /// Asks to be on a channel. `member`: who the client is there, as JSON.
    pub fn subscribe(&self, socket: &str, channel: &str, member: Option<&str>) -> String {
        let mut data = json!({"channel": channel});
        if let (true, Some(secret)) = (needs_signature(channel), &self.secret) {
            data["auth"] = channel_auth(&self.key, secret, socket, channel, member).into();
        }
        if let Some(member) = member {
            data["channel_data"] = member.into();
        }
        json!({"event": "pusher:subscribe", "data": data}).to_string()
    }

    /// Publishes to the others on a channel.
    pub fn publish(&self, channel: &str, data: &str, persist: bool) -> String {
        match self.dialect {
            DialectId::Pushi => json!({"event": "message", "channel": channel, "data": data, "echo": false, "persist": persist}),
            DialectId::Pusher => json!({"event": "client-message", "channel": channel, "data": data}),
        }
        .to_string()
    }
}

/// Whether a channel is for those alone who have a signature, in either dialect.
pub fn needs_signature(channel: &str) -> bool {
    ["private-", "presence-", "personal-"]
        .iter()
        .any(|prefix| channel.starts_with(prefix))
}

/// Who a member of a presence channel is: enough for either dialect, and for peer channels.
pub fn member(number: usize) -> String {
    json!({"user_id": format!("user-{number}"), "peer": true, "user_info": {"name": format!("User {number}")}}).to_string()
}

/// What a frame says while a client is getting in.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// The first frame, with the socket id.
    Greeting(String),
    /// The client is on a channel.
    Subscribed,
    /// The client is to show that it is there.
    Ping,
    /// Something was wrong.
    Refusal(Option<u16>, String),
    /// Something else.
    Other,
}

/// Understands a frame that is not a delivery.
pub fn heard(payload: &[u8]) -> Said {
    // Its name stands in front; the list of a large presence channel is not read for it.
    let front = &payload[..payload.len().min(256)];
    let has = |needle: &str| find(front, needle.as_bytes()).is_some();
    if has("subscription_succeeded") {
        Said::Subscribed
    } else if has("connection_established") {
        socket_id(payload).map_or(Said::Other, Said::Greeting)
    } else if has("pusher:ping") {
        Said::Ping
    } else if has("pusher:error") || has("subscription_error") {
        refusal(payload)
    } else {
        Said::Other
    }
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The `data` of a frame, which is an object, or JSON in a string.
fn data(payload: &[u8]) -> Option<Value> {
    let heard: Heard = serde_json::from_slice(payload).ok()?;
    match heard.data {
        Value::String(text) => serde_json::from_str(&text).ok(),
        other => Some(other),
    }
}

fn socket_id(payload: &[u8]) -> Option<String> {
    data(payload)?["socket_id"].as_str().map(str::to_owned)
}

fn refusal(payload: &[u8]) -> Said {
    let data = data(payload).unwrap_or_default();
    let words = ["message", "error"]
        .iter()
        .find_map(|name| data[name].as_str());
    let code = ["code", "status"]
        .iter()
        .find_map(|name| data[name].as_u64());
    let words = words.unwrap_or("the server refused, and did not say why");
    let text = code.map_or_else(|| words.to_owned(), |code| format!("{words} ({code})"));
    Said::Refusal(code.and_then(|code| u16::try_from(code).ok()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_understood_in_either_dialect() {
        let greeting = |id: &str| Said::Greeting(id.to_owned());
        assert_eq!(
            heard(br#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"}"#),
            greeting("1.2")
        );
        assert_eq!(
            heard(br#"{"data":{"socket_id":"3.4"},"event":"pusher:connection_established"}"#),
            greeting("3.4")
        );
        assert_eq!(
            heard(
                br#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#
            ),
            Said::Subscribed
        );
        assert_eq!(heard(br#"{"event":"pusher:ping","data":{}}"#), Said::Ping);
        assert_eq!(heard(br#"{"event":"message","data":"x"}"#), Said::Other);
        let refusal = |code, text: &str| Said::Refusal(Some(code), text.to_owned());
        assert_eq!(
            heard(br#"{"event":"pusher:error","data":{"code":4001,"message":"no app"}}"#),
            refusal(4001, "no app (4001)")
        );
        let words =
            br#"{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"bad","status":401}}"#;
        assert_eq!(heard(words), refusal(401, "bad (401)"));
        assert!(matches!(
            heard(br#"{"event":"pusher:error"}"#),
            Said::Refusal(None, _)
        ));
    }

    #[test]
    fn what_needs_a_signature_is_signed_and_a_member_covered() {
        let words = Words {
            dialect: DialectId::Pusher,
            key: "k".into(),
            secret: Some(Secret::new("s")),
        };
        assert!(!words.subscribe("1.2", "bench", None).contains("auth"));
        let frame: Value =
            serde_json::from_str(&words.subscribe("1.2", "presence-b", Some(&member(7)))).unwrap();
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
