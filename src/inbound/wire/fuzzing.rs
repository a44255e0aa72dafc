//! The target `payload`.

#![expect(clippy::unwrap_used, reason = "a panic is how a target fails")]

use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    compact, escaped_history_len, escaped_len, event_json, history_json, read_further_members,
};
use crate::core::model::{
    AppIdent, ChannelName, Event, FurtherMembers, Mid, NewEvent, Payload, Position, Timestamp,
};

fn event(data: &str, extra: FurtherMembers) -> Event {
    let payload = Payload {
        event: "e".into(),
        data: data.into(),
        extra,
    };
    let new = NewEvent {
        app: AppIdent::trusted("a"),
        mid: Mid("0".into()),
        channel: ChannelName::trusted("c"),
        owner_id: None,
        timestamp: Timestamp::from_micros(0),
        publish: None,
        payload,
    };
    Event {
        new,
        position: Position { id: 1, serial: 1 },
    }
}

/// What is published comes back: a text byte for byte, other JSON without the whitespace between its parts.
pub(crate) fn payload(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    comes_back(text, FurtherMembers::default());
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        let compacted = compact(text);
        assert_eq!(compact(&compacted), compacted);
        // Numbers beyond those of JavaScript are no values of the parser, and lone surrogates no texts.
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let same: Value = serde_json::from_str(&compacted).unwrap();
            assert_eq!(same, value);
        }
        comes_back(&compacted, FurtherMembers::default());
    }
    if let Ok(extra) = read_further_members(text) {
        comes_back("x", extra);
    }
}

/// An event with this data, as subscribers and readers of the history parse it, has the same data and members.
fn comes_back(data: &str, extra: FurtherMembers) {
    let members: Value = serde_json::from_str(&extra.to_object()).unwrap();
    let event = event(data, extra);
    let live: Value = serde_json::from_str(&event_json(&event.new, Some(event.position))).unwrap();
    let history = history_json(&event);
    assert!(escaped_history_len(&event) >= escaped_len(&history, false));
    let history: Value = serde_json::from_str(&history).unwrap();
    for shown in [&live, &history["data"]] {
        assert_eq!(shown["data"], data);
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
    }
}
