//! Channel data: the member that a client is on a presence channel.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::fields::string;
use super::object_entries::ObjectEntries;
use crate::core::model::{ChannelName, UserId};
use crate::core::service::ChannelData;
use crate::inbound::wire::{depth, push_json_string};

/// The most levels of nested objects and arrays in channel data, so that the parsers of the other
/// members can read it: the limit of Rust's `serde_json`, the lowest that is common apart from
/// Ruby's 100.
const MAX_DEPTH: usize = 127;

/// Parses the channel data of a subscription: a JSON object, or a string that contains one. The
/// object's text is the member's data as it was written, with two exceptions: a number as `user_id`
/// becomes a string, and on a personal channel `user_id` becomes the user in the channel's name.
///
/// # Errors
/// What the client must send instead.
pub(super) fn channel_data(
    value: &RawValue,
    channel: &ChannelName,
) -> Result<ChannelData, &'static str> {
    const INVALID: &str = "channel_data must be a JSON object, or a string that contains one";
    let signed = if value.get().starts_with('"') {
        string(value).ok_or(INVALID)?
    } else {
        value.get().to_owned()
    };
    if depth(&signed) > MAX_DEPTH {
        return Err("channel_data must not be nested more than 127 levels deep");
    }
    let entries = ObjectEntries::parse(&signed).ok_or(INVALID)?;
    let peer = entries
        .get("peer")
        .is_some_and(|value| value.get() == "true");
    let (mut user_id, mut object) = (None, None);
    if let Some(written) = entries.get("user_id").map(RawValue::get) {
        // A number and the string of its digits are the same user id.
        let id = match written.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Some(written.to_owned()),
            _ => serde_json::from_str(written).ok(),
        };
        user_id = id.as_deref().and_then(UserId::parse);
        let named = user_id.as_ref().and_then(|_| channel.personal_user());
        let is_other = named.is_some() && named != user_id;
        user_id = named.or(user_id);
        if let Some(user) = &user_id
            && (is_other || !written.starts_with('"'))
        {
            object = Some(with_string(&signed, written, user.as_str()));
        }
    }
    let signed: Arc<str> = signed.into();
    Ok(ChannelData {
        object: object.map_or_else(|| Arc::clone(&signed), Arc::from),
        signed,
        user_id,
        peer,
    })
}

/// `json` with the string `string` in place of `value`, a slice of it.
fn with_string(json: &str, value: &str, string: &str) -> String {
    let begin = value.as_ptr().addr() - json.as_ptr().addr();
    let mut text = String::with_capacity(json.len() + string.len() + 2);
    text.push_str(json.get(..begin).unwrap_or_default());
    push_json_string(&mut text, string);
    text.push_str(json.get(begin + value.len()..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ChannelData, &'static str> {
        read_on("presence-room", json)
    }

    fn read_on(channel: &str, json: &str) -> Result<ChannelData, &'static str> {
        channel_data(
            serde_json::from_str(json).unwrap(),
            &ChannelName::trusted(channel),
        )
    }

    #[test]
    fn the_object_is_kept_as_it_was_written() {
        for object in [
            r#"{"user_id":"u","n":123456789012345678901234567890}"#,
            r#"{"user_id":"u","n":0.1234567890123456789012345,"m":1.0,"z":-0,"e":1e999}"#,
            r#"{"user_id":"u","half":"\ud83d","\udc00":1}"#,
            r#"{"us\u0065r_id":"\u0075","a\/b":"\u00e9"}"#,
            r#"{ "user_id" : "u" , "x" : [ 1 ,2 ] }"#,
            r#"{"x":1,"user_id":"v","x":2,"user_id":"u"}"#,
        ] {
            let mut string = String::new();
            push_json_string(&mut string, object);
            for sent in [object, &string] {
                let data = read(sent).unwrap();
                assert_eq!((&*data.signed, &*data.object), (object, object));
                assert_eq!(data.user_id, UserId::parse("u"), "{object}");
            }
        }
    }

    #[test]
    fn of_a_number_as_user_id_only_the_quotes_are_added() {
        for number in [
            "7",
            "-7",
            "1.50",
            "1e3",
            "1e999",
            "123456789012345678901234567890",
        ] {
            let object = |id: &str| format!(r#"{{"n":{number}, "user_id": {id},"m":1.0}}"#);
            let data = read(&object(number)).unwrap();
            assert_eq!(&*data.signed, object(number));
            assert_eq!(&*data.object, object(&format!("\"{number}\"")));
            assert_eq!(data.user_id, UserId::parse(number));
        }
    }

    #[test]
    fn on_a_personal_channel_the_user_is_the_one_in_its_name() {
        for (sent, kept) in [
            (
                r#"{"user_id":"ann","n":1e999}"#,
                r#"{"user_id":"ann","n":1e999}"#,
            ),
            (
                r#"{"user_id": "admin","n":1e999}"#,
                r#"{"user_id": "ann","n":1e999}"#,
            ),
            (r#"{"user_id":7}"#, r#"{"user_id":"ann"}"#),
        ] {
            let data = read_on("personal-ann", sent).unwrap();
            assert_eq!((&*data.signed, &*data.object), (sent, kept));
            assert_eq!(data.user_id, UserId::parse("ann"));
        }
        let data = read_on("personal-ann", r#"{"name":"Ann"}"#).unwrap();
        assert_eq!((data.user_id, &*data.object), (None, r#"{"name":"Ann"}"#));
    }

    #[test]
    fn the_last_of_duplicates_counts() {
        let data = read(r#"{"peer":true,"user_id":1,"peer":false,"user_id":2}"#).unwrap();
        assert_eq!(data.user_id, UserId::parse("2"));
        assert_eq!(
            &*data.object,
            r#"{"peer":true,"user_id":1,"peer":false,"user_id":"2"}"#
        );
        assert!(!data.peer);
    }

    #[test]
    fn other_values_and_deep_ones_are_refused() {
        for json in [
            "1",
            "[]",
            "null",
            "\"x\"",
            r#""{""#,
            r#""{\"a\":01}""#,
            r#""\ud83d""#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(read(&nested(MAX_DEPTH + 1)).is_err());
        assert!(read(&format!("{{\"a\":\"{}\"}}", "[".repeat(500))).is_ok());
    }
}
