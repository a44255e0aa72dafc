//! What Apple devices are sent about events.

use serde_json::{Map, Value, json};

use crate::core::model::{ApnContent, ApnHeaderError, ApnHeaders};

/// The member of a message with headers, which is not a part of its payload.
const HEADERS: &str = "headers";

/// The message of an event, and whether its member [`HEADERS`] is no part of the payload.
pub(super) fn message_of(event: &Map<String, Value>) -> (Value, bool) {
    let set = |name| event.get(name).filter(|value| !value.is_null());
    match set("apn") {
        Some(own) => (own.clone(), true),
        None => {
            let other = set("push").or_else(|| set("data"));
            (other.cloned().unwrap_or_default(), false)
        }
    }
}

/// The payload and the headers of a message.
pub(super) fn content(
    (mut message, has_headers): (Value, bool),
) -> Result<ApnContent, ApnHeaderError> {
    let mut headers = ApnHeaders::default();
    if has_headers
        && let Some(members) = message.as_object_mut()
        && let Some(given) = members
            .shift_remove(HEADERS)
            .filter(|given| !given.is_null())
    {
        let given = given.as_object().ok_or(ApnHeaderError::NoObject)?;
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            match value {
                Value::String(text) => headers.set(name, text)?,
                value => headers.set(name, &value.to_string())?,
            }
        }
    }
    let payload = match message {
        Value::Object(members) if members.contains_key("aps") => members.into(),
        alert => json!({"aps": {"alert": alert, "sound": "default", "badge": 0}}),
    };
    let silent = is_silent(&payload);
    let kind = if silent { "background" } else { "alert" };
    headers.push_type.get_or_insert_with(|| kind.into());
    // Apple refuses silent messages of the highest priority, which is the default.
    if silent && headers.priority.is_none() {
        headers.priority = Some(5);
    }
    Ok(ApnContent {
        payload: payload.to_string().into(),
        headers,
    })
}

/// Whether a payload wakes the app and shows nothing.
fn is_silent(payload: &Value) -> bool {
    let aps = payload.get("aps");
    let has = |name| aps.is_some_and(|aps| aps.get(name).is_some());
    has("content-available") && !has("alert") && !has("sound") && !has("badge")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(event: Value) -> (Value, ApnHeaders) {
        let content = content(message_of(event.as_object().unwrap())).unwrap();
        let payload = serde_json::from_slice(&content.payload).unwrap();
        (payload, content.headers)
    }

    fn alert(alert: Value) -> Value {
        json!({"aps": {"alert": alert, "sound": "default", "badge": 0}})
    }

    #[test]
    fn the_alert_is_apn_else_push_else_data() {
        for (event, expected) in [
            (json!({"data": "d", "push": "p", "apn": "a"}), "a"),
            (json!({"data": "d", "push": "p", "apn": null}), "p"),
            (json!({"data": "d"}), "d"),
        ] {
            let (payload, headers) = of(event);
            assert_eq!(payload, alert(json!(expected)));
            assert_eq!(headers.push_type.as_deref(), Some("alert"));
            assert_eq!(headers.priority, None);
        }
        let (payload, _) = of(json!({"apn": {"title": "T", "body": "B"}}));
        assert_eq!(payload, alert(json!({"title": "T", "body": "B"})));
    }

    #[test]
    fn an_object_with_aps_is_sent_as_it_is_without_its_headers() {
        let (payload, headers) = of(json!({"apn": {
            "aps": {"alert": "hi", "badge": 3}, "order": 17,
            "headers": {"apns-priority": 5, "apns-collapse-id": "order-17", "apns-expiration": null},
        }}));
        assert_eq!(
            payload,
            json!({"aps": {"alert": "hi", "badge": 3}, "order": 17})
        );
        assert_eq!(
            (headers.priority, headers.collapse_id.as_deref()),
            (Some(5), Some("order-17"))
        );
        assert_eq!(headers.push_type.as_deref(), Some("alert"));
        let (_, headers) = of(json!({"apn": {"aps": {"content-available": 1}}}));
        assert_eq!(
            (headers.push_type.as_deref(), headers.priority),
            (Some("background"), Some(5))
        );
    }

    #[test]
    fn headers_that_apple_does_not_know_are_refused() {
        for headers in [
            json!({"x": "y"}),
            json!({"apns-priority": "high"}),
            json!({"apns-topic": ["a"]}),
            json!("apns-priority: 5"),
        ] {
            let message = json!({"aps": {}, "headers": headers});
            assert!(content((message, true)).is_err());
        }
        let (payload, headers) = of(json!({"push": {"headers": {"x": "y"}}}));
        assert_eq!(payload, alert(json!({"headers": {"x": "y"}})));
        assert_eq!(headers.topic, None);
    }
}
