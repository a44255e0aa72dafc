//! What a browser is sent.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{compact, push_json_string};
use super::raw_members::{RawMembers, read_string};
use crate::core::model::{
    EventPushError, PushContent, PushContentError, PushTopic, Urgency, WebPushMessage,
};

/// Members of a message that steer its delivery and are not part of the payload.
const STEERING: [&str; 4] = ["ttl", "urgency", "topic", "headers"];

/// The members of an event that say what browsers are sent: the first one that is not missing or null. Only the first one has members
/// that steer the delivery.
const SOURCES: [&str; 4] = [STEERED, "data", "push", "message"];
const STEERED: &str = "web_push";

/// Reads a message, JSON text: a string is sent as it is, and none (`None` or null) as `{}`. The members `ttl`, `urgency` and
/// `topic` of an object steer its delivery.
///
/// # Errors
/// It is too long, or a member that steers the delivery is not valid.
pub fn push_content(json: Option<&str>) -> Result<PushContent, PushContentError> {
    let json = json.filter(|json| *json != "null").unwrap_or("{}");
    let mut content = unsteered(Bytes::new());
    let mut payload = text_of(json);
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
    content.payload = bounded(&payload)?;
    Ok(content)
}

/// Reads what browsers are sent about an event, a JSON object as subscribers receive it.
///
/// # Errors
/// As those of [`push_content`].
pub fn event_push_content(event: &str) -> Result<PushContent, EventPushError> {
    let members = serde_json::from_str(event).unwrap_or_else(|_| RawMembers(Vec::new()));
    let set = |name: &&'static str| Some((*name, members.get(name)?));
    let (member, content) = match SOURCES.iter().find_map(set) {
        Some((STEERED, json)) => (STEERED, push_content(Some(json))),
        Some((member, json)) => (member, bounded(&text_of(json)).map(unsteered)),
        None => (STEERED, push_content(None)),
    };
    content.map_err(|error| EventPushError { member, error })
}

/// A string as it is, and anything else as its JSON text.
fn text_of(json: &str) -> Cow<'_, str> {
    read_string(json).unwrap_or_else(|| compact(json))
}

fn bounded(payload: &str) -> Result<Bytes, PushContentError> {
    if payload.len() > WebPushMessage::MAX_PAYLOAD {
        return Err(PushContentError::Bytes(payload.len()));
    }
    Ok(Bytes::copy_from_slice(payload.as_bytes()))
}

fn unsteered(payload: Bytes) -> PushContent {
    PushContent {
        payload,
        ttl: None,
        urgency: None,
        topic: None,
    }
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

    #[test]
    fn an_event_is_sent_as_web_push_else_data_else_push_else_message() {
        let of = |event: &str| event_push_content(event).unwrap();
        for (event, payload) in [
            (
                r#"{"data":"d","web_push":{"title":"T","ttl":60}}"#,
                r#"{"title":"T"}"#,
            ),
            (r#"{"web_push":"w","data":"d"}"#, "w"),
            (r#"{"web_push":null,"data":"d","push":"p"}"#, "d"),
            (r#"{"data":"{\"a\": 1}"}"#, r#"{"a": 1}"#),
            (
                r#"{"push":{"n": 1.50, "topic": "not a topic"},"message":"m"}"#,
                r#"{"n":1.50,"topic":"not a topic"}"#,
            ),
            (r#"{"message":"m"}"#, "m"),
            (r#"{"event":"e"}"#, "{}"),
        ] {
            assert_eq!(of(event).payload, payload, "{event}");
        }
        assert_eq!(of(r#"{"web_push":{"ttl":60}}"#).ttl, Some(60));
        assert_eq!(of(r#"{"push":{"ttl":60}}"#).ttl, None);
        let long = format!(r#"{{"data":"{}"}}"#, "x".repeat(3994));
        for (event, error) in [
            (
                r#"{"web_push":{"urgency":"now"}}"#,
                "web_push.urgency must be very-low, low, normal or high",
            ),
            (
                &long,
                "data has 3994 bytes: a Web Push message has at most 3993",
            ),
        ] {
            assert_eq!(event_push_content(event).unwrap_err().to_string(), error);
        }
    }
}
