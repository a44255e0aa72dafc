//! What a browser is sent.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{compact, push_json_string};
use super::raw_members::{RawMembers, read_string};
use crate::core::model::{PushContent, PushTopic, Urgency, WebPushMessage};

/// Members of a message that steer its delivery and are not part of the payload.
const STEERING: [&str; 4] = ["ttl", "urgency", "topic", "headers"];

/// Why a message cannot be sent to a browser; the text continues the message's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushContentError {
    /// Too long; with its bytes.
    #[error(" has {0} bytes: a Web Push message has at most {max}", max = WebPushMessage::MAX_PAYLOAD)]
    Bytes(usize),
    /// No number of seconds.
    #[error(".ttl must be an integer from 0 to 4294967295 (seconds)")]
    Ttl,
    /// No urgency.
    #[error(".urgency must be very-low, low, normal or high")]
    Urgency,
    /// No topic.
    #[error(".topic must be 1 to 32 of A-Z a-z 0-9 _ -")]
    Topic,
}

/// Reads a message, JSON text: a string is sent as it is, and none (`None` or null) as `{}`. The members `ttl`, `urgency` and
/// `topic` of an object steer its delivery.
///
/// # Errors
/// It is too long, or a member that steers the delivery is not valid.
pub fn push_content(json: Option<&str>) -> Result<PushContent, PushContentError> {
    let json = json.filter(|json| *json != "null").unwrap_or("{}");
    let mut content = PushContent {
        payload: Bytes::new(),
        ttl: None,
        urgency: None,
        topic: None,
    };
    let mut payload = match read_string(json) {
        Some(text) => text,
        None => compact(json),
    };
    if let Ok(members) = serde_json::from_str::<RawMembers<'_>>(json)
        && STEERING
            .iter()
            .any(|name| members.0.iter().any(|(known, _)| known == name))
    {
        if let Some(ttl) = members.get("ttl") {
            content.ttl = Some(ttl.parse().map_err(|_| PushContentError::Ttl)?);
        }
        if let Some(urgency) = members.get("urgency") {
            let known = read_string(urgency).and_then(|name| Urgency::parse(&name));
            content.urgency = Some(known.ok_or(PushContentError::Urgency)?);
        }
        if let Some(topic) = members.get("topic") {
            let topic = read_string(topic).and_then(|text| PushTopic::parse(&text));
            content.topic = Some(topic.ok_or(PushContentError::Topic)?);
        }
        payload = Cow::Owned(without_steering(&members));
    }
    if payload.len() > WebPushMessage::MAX_PAYLOAD {
        return Err(PushContentError::Bytes(payload.len()));
    }
    content.payload = Bytes::copy_from_slice(payload.as_bytes());
    Ok(content)
}

fn without_steering(members: &RawMembers<'_>) -> String {
    let mut json = String::from("{");
    for (name, value) in &members.0 {
        if STEERING.contains(&name.as_ref()) {
            continue;
        }
        if json.len() > 1 {
            json.push(',');
        }
        push_json_string(&mut json, name);
        json.push(':');
        json.push_str(&compact(value));
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(json: Option<&str>) -> String {
        let content = push_content(json).unwrap();
        String::from_utf8(content.payload.to_vec()).unwrap()
    }

    #[test]
    fn a_string_is_sent_as_it_is_and_the_rest_as_json() {
        for (json, expected) in [
            (None, "{}"),
            (Some("null"), "{}"),
            (Some(r#""a \"b\"""#), r#"a "b""#),
            (
                Some(r#"{"title": "x", "n": 1.0}"#),
                r#"{"title":"x","n":1.0}"#,
            ),
            (Some("[1, 2]"), "[1,2]"),
            (Some("7"), "7"),
        ] {
            assert_eq!(payload(json), expected);
        }
    }

    #[test]
    fn members_that_steer_the_delivery_are_no_payload() {
        let json = r#"{"ttl": 60, "title": "x", "urgency": "high", "topic": "news", "headers": {}, "z": {"ttl": 1}}"#;
        let content = push_content(Some(json)).unwrap();
        assert_eq!(content.payload, r#"{"title":"x","z":{"ttl":1}}"#);
        assert_eq!(content.ttl, Some(60));
        assert_eq!(content.urgency, Some(Urgency::High));
        assert_eq!(content.topic.unwrap().as_str(), "news");
        for (json, error) in [
            (r#"{"ttl":-1}"#, PushContentError::Ttl),
            (r#"{"ttl":"1"}"#, PushContentError::Ttl),
            (r#"{"ttl":4294967296}"#, PushContentError::Ttl),
            (r#"{"urgency":"now"}"#, PushContentError::Urgency),
            (r#"{"topic":"a b"}"#, PushContentError::Topic),
            (r#"{"topic":7}"#, PushContentError::Topic),
        ] {
            assert_eq!(push_content(Some(json)), Err(error), "{json}");
        }
        assert!(push_content(Some(r#"{"ttl":null}"#)).is_ok());
    }

    #[test]
    fn a_payload_is_bounded_in_bytes() {
        let of = |bytes| push_content(Some(&format!("\"{}\"", "x".repeat(bytes))));
        assert!(of(3993).is_ok());
        let error = of(3994).unwrap_err().to_string();
        assert_eq!(
            error,
            " has 3994 bytes: a Web Push message has at most 3993"
        );
    }
}
