//! The history form of an event, the same at both edges.

use time::OffsetDateTime;
use time::macros::format_description;

use super::json::{escaped_len, push_json_string, seconds_text};
use crate::core::model::{Event, NewEvent, Position, Timestamp};

/// The history form of a stored event, a JSON object: `id`, `instance`, `mid`, `channel`,
/// `owner_id` (null for a back end), `timestamp` (seconds), `date`, `serial`, `publish` (only of a
/// publish to several channels), and `data` with `channel`, `event`, `data` and the further members
/// of the publish.
pub fn history_json(event: &Event) -> String {
    let new = &event.new;
    let payload = &new.payload;
    let mut json = String::with_capacity(320 + payload.data.len() + payload.extra.as_str().len());
    json.push_str("{\"id\":");
    json.push_str(&event.position.id.to_string());
    push_member(&mut json, "instance", new.app.as_str());
    push_member(&mut json, "mid", &new.mid.0);
    push_member(&mut json, "channel", new.channel.as_str());
    match &new.owner_id {
        Some(owner) => push_member(&mut json, "owner_id", owner),
        None => json.push_str(",\"owner_id\":null"),
    }
    json.push_str(",\"timestamp\":");
    json.push_str(&seconds_text(new.timestamp));
    push_member(&mut json, "date", &date_text(new.timestamp));
    json.push_str(",\"serial\":");
    json.push_str(&event.position.serial.to_string());
    if let Some(publish) = &new.publish {
        push_member(&mut json, "publish", &publish.0);
    }
    json.push_str(",\"data\":{\"channel\":");
    push_json_string(&mut json, new.channel.as_str());
    push_member(&mut json, "event", &payload.event);
    push_member(&mut json, "data", &payload.data);
    if !payload.extra.is_empty() {
        json.push(',');
        json.push_str(payload.extra.as_str());
    }
    json.push_str("}}");
    json
}

/// An event as its subscribers receive it, a JSON object: `event`, `channel`, `data` and the further members of the publish; of a
/// stored event also `mid`, `serial` and `timestamp`, and of a publish to several channels `publish`.
pub fn event_json(event: &NewEvent, position: Option<Position>) -> String {
    let payload = &event.payload;
    let capacity =
        payload.data.len() + payload.extra.as_str().len() + event.channel.as_str().len() + 224;
    let mut json = String::with_capacity(capacity + payload.event.len());
    json.push_str("{\"event\":");
    push_json_string(&mut json, &payload.event);
    push_member(&mut json, "channel", event.channel.as_str());
    push_member(&mut json, "data", &payload.data);
    if !payload.extra.is_empty() {
        json.push(',');
        json.push_str(payload.extra.as_str());
    }
    if let Some(position) = position {
        push_member(&mut json, "mid", &event.mid.0);
        json.push_str(",\"serial\":");
        json.push_str(&position.serial.to_string());
        json.push_str(",\"timestamp\":");
        json.push_str(&seconds_text(event.timestamp));
    }
    if let Some(publish) = &event.publish {
        push_member(&mut json, "publish", &publish.0);
    }
    json.push('}');
    json
}

/// At least the bytes of [`history_json`] within a JSON string.
pub fn escaped_history_len(event: &Event) -> usize {
    /// Names, punctuation, numbers and the date, each quotation mark as two bytes.
    const FIXED: usize = 480;
    let (new, payload) = (&event.new, &event.new.payload);
    let twice = [
        new.app.as_str(),
        &new.mid.0,
        new.owner_id.as_deref().unwrap_or_default(),
        new.publish.as_ref().map_or("", |publish| &publish.0),
        new.channel.as_str(),
        new.channel.as_str(),
        &payload.event,
        &payload.data,
    ];
    let texts: usize = twice.iter().map(|text| escaped_len(text, true)).sum();
    FIXED + texts + escaped_len(payload.extra.as_str(), false)
}

fn push_member(json: &mut String, name: &str, value: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
    push_json_string(json, value);
}

/// A time in the original server's format: `November 22, 2026 08:44:52 UTC`. Empty for a time
/// outside the years 0 to 9999.
pub fn date_text(time: Timestamp) -> String {
    let format =
        format_description!("[month repr:long] [day], [year] [hour]:[minute]:[second] UTC");
    let seconds = time.micros().div_euclid(1_000_000);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|date| date.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{AppIdent, ChannelName, FurtherMembers, Mid, Payload, PublishId};
    use crate::inbound::wire::push_escaped;

    fn event() -> Event {
        Event {
            new: NewEvent {
                app: AppIdent::trusted("app"),
                mid: Mid("ddc1".into()),
                channel: ChannelName::trusted("global"),
                owner_id: None,
                timestamp: Timestamp::from_micros(1_795_337_092_270_000),
                publish: None,
                payload: Payload {
                    event: "chat".into(),
                    data: r#"{"x":1}"#.into(),
                    extra: Default::default(),
                },
            },
            position: Position { id: 2, serial: 7 },
        }
    }

    #[test]
    fn has_the_members_of_the_protocol_page_in_order() {
        let expected = concat!(
            r#"{"id":2,"instance":"app","mid":"ddc1","channel":"global","owner_id":null,"timestamp":1795337092.27,"#,
            r#""date":"November 22, 2026 08:44:52 UTC","serial":7,"#,
            r#""data":{"channel":"global","event":"chat","data":"{\"x\":1}"}}"#
        );
        assert_eq!(history_json(&event()), expected);
    }

    #[test]
    fn the_escaped_length_is_a_close_upper_bound() {
        let mut event = event();
        event.position = Position {
            id: u64::MAX,
            serial: u64::MAX,
        };
        event.new.publish = Some(PublishId("0123456789abcdef0123456789abcdef".into()));
        event.new.owner_id = Some("123456789012345.123456789".into());
        event.new.payload.extra = FurtherMembers::trusted(r#""push":{"n":"\u0041\n"}"#);
        event.new.payload.data = "{\"text\":\"a\u{1}\n\"}".repeat(1000).into();
        let mut escaped = String::new();
        push_escaped(&mut escaped, &history_json(&event));
        let bound = escaped_history_len(&event);
        assert!(
            (escaped.len()..escaped.len() + 250).contains(&bound),
            "{bound} for {}",
            escaped.len()
        );
    }

    #[test]
    fn owner_publish_and_further_members_are_optional() {
        let mut event = event();
        event.new.owner_id = Some("1.2".into());
        event.new.publish = Some(PublishId("p1".into()));
        event.new.payload.extra =
            FurtherMembers::of([("\"push\"", r#"{"n":1.50}"#), ("\"a\"", "null")]);
        let json = history_json(&event);
        assert!(json.contains(r#""owner_id":"1.2","#), "{json}");
        assert!(
            json.contains(r#""serial":7,"publish":"p1","data":{"#),
            "{json}"
        );
        assert!(
            json.ends_with(r#""data":"{\"x\":1}","push":{"n":1.50},"a":null}}"#),
            "{json}"
        );
    }

    #[test]
    fn days_have_two_digits() {
        assert_eq!(
            date_text(Timestamp::from_micros(0)),
            "January 01, 1970 00:00:00 UTC"
        );
    }
}
