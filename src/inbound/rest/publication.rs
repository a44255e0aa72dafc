//! The body of a publish. It is read member by member as text, so that numbers and order travel as they were sent.

use std::borrow::Cow;
use std::collections::HashSet;

use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::problem::Problem;
use super::schema::{PRINTABLE, example, inline, name, open, plain, shape};
use crate::core::model::{
    ChannelName, FurtherMembers, Limits, Payload, RESERVED_MEMBERS, check_event_name,
};
use crate::inbound::wire::{RawMembers, compact, further_member, read_string, read_strings};

/// The channel of an event without one, as in the original.
pub(super) const DEFAULT_CHANNEL: &str = "global";

/// The most channels of one publish.
const MOST_CHANNELS: usize = 1000;

shape! {
    /// The body of a publish, in the document.
    PublicationShape as "Publication" = |_| {
        let channel = MetaSchema {
            items: Some(Box::new(inline(name("The name of a channel.", 1, 200)))),
            min_items: Some(1),
            max_items: Some(MOST_CHANNELS),
            default: Some(json!([DEFAULT_CHANNEL])),
            ..plain("array", "The channels; a repeated name counts once. A string is accepted as a list of one.")
        };
        // Reserved names are rejected.
        let event = MetaSchema {
            pattern: Some(format!("^(?!pusher:|pusher_internal:){}", PRINTABLE.trim_start_matches('^'))),
            default: Some("message".into()),
            ..name("The name of the event. The prefixes `pusher:` and `pusher_internal:` are reserved.", 1, 200)
        };
        let persist = MetaSchema { default: Some(true.into()), ..plain("boolean", "Whether the event is stored, for the history and the inboxes of users.") };
        let data = plain("", "The payload: any JSON value except null. Subscribers receive a string as it is, and any other value as JSON text.");
        let about = "An event to publish. Additional members are forwarded to the subscribers unchanged, except `mid`, `serial`, `timestamp`, \
                     `publish`, `user_id`, `owner_id`, `instance` and `id`, which are removed.";
        let schema = MetaSchema {
            required: vec!["data"],
            properties: vec![("channel", inline(channel)), ("event", inline(event)), ("data", inline(data)), ("persist", inline(persist))],
            additional_properties: open(),
            ..plain("object", about)
        };
        example(schema, json!({"channel": ["global"], "event": "message", "data": {"text": "hello"}, "persist": true}))
    }
}

/// A publish of a back end.
#[derive(Debug)]
pub(super) struct Publication {
    /// At least one, none twice.
    pub channels: Vec<ChannelName>,
    /// The payload.
    pub payload: Payload,
    /// Whether it is stored.
    pub persist: bool,
}

impl Publication {
    /// Reads a body, with the configured limits for names.
    pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Self, Problem> {
        if body.is_empty() {
            return Err(Problem::bad_request(
                "the body is empty: send a JSON object with data",
            ));
        }
        let members: RawMembers<'_> =
            serde_json::from_slice(body).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => {
                    Problem::bad_request("the body must be a JSON object")
                }
                _ => Problem::bad_request(format!("the body is not JSON: {error}")),
            })?;
        let mut channels = None;
        let mut event = Cow::Borrowed("message");
        let mut data = None;
        let mut persist = true;
        let mut extra = Vec::new();
        for (name, value) in &members.0 {
            match name.as_ref() {
                "channel" => channels = Some(read_channels(value, limits)?),
                "event" => {
                    event = read_string(value)
                        .ok_or_else(|| Problem::bad_request("event must be a string"))?
                }
                "data" => data = Some(read_data(value)?),
                "persist" => {
                    persist = serde_json::from_str(value)
                        .map_err(|_| Problem::bad_request("persist must be true or false"))?
                }
                reserved if RESERVED_MEMBERS.contains(&reserved) => {}
                further => {
                    extra.push(further_member(further, value).map_err(Problem::bad_request)?);
                }
            }
        }
        check_event_name(&event, length(limits.event_name))?;
        let data = data.ok_or_else(|| {
            Problem::bad_request("data is missing: use any JSON value except null")
        })?;
        let channels = channels.unwrap_or_else(|| vec![ChannelName::trusted(DEFAULT_CHANNEL)]);
        Ok(Self {
            channels,
            payload: Payload {
                event: event.into(),
                data: data.into(),
                extra: FurtherMembers::of(extra),
            },
            persist,
        })
    }
}

fn length(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A channel's name, within the configured limit.
pub(super) fn read_channel(name: &str, limits: &Limits) -> Result<ChannelName, Problem> {
    Ok(ChannelName::parse(name, length(limits.channel_name))?)
}

fn read_channels(value: &str, limits: &Limits) -> Result<Vec<ChannelName>, Problem> {
    if let Some(name) = read_string(value) {
        return Ok(vec![read_channel(&name, limits)?]);
    }
    let must = || {
        Problem::bad_request(format!(
            "channel must be a string, or a list of 1 to {MOST_CHANNELS} strings"
        ))
    };
    let names = read_strings(value).ok_or_else(must)?;
    if names.is_empty() || names.len() > MOST_CHANNELS {
        return Err(must());
    }
    let mut seen = HashSet::with_capacity(names.len());
    let fresh = names.iter().filter(|name| seen.insert(&***name));
    fresh.map(|name| read_channel(name, limits)).collect()
}

fn read_data(value: &str) -> Result<Cow<'_, str>, Problem> {
    match value.as_bytes().first() {
        Some(b'"') => read_string(value).ok_or_else(|| {
            Problem::bad_request(
                "data is not text: it contains an unpaired surrogate (\\ud800 to \\udfff)",
            )
        }),
        Some(b'n') => Err(Problem::bad_request(
            "data must not be null: use any other JSON value",
        )),
        _ => Ok(compact(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Publication, String> {
        Publication::read(body.as_bytes(), &Limits::default())
            .map_err(|problem| problem.to_string())
    }

    fn payload(body: &str) -> (String, String, String) {
        let payload = read(body).map(|publication| publication.payload);
        payload.map_or_else(
            |error| (error, String::new(), String::new()),
            |p| {
                (
                    p.event.to_string(),
                    p.data.to_string(),
                    p.extra.as_str().to_owned(),
                )
            },
        )
    }

    fn channels(body: &str) -> Vec<String> {
        read(body)
            .map(|publication| {
                publication
                    .channels
                    .iter()
                    .map(|name| name.to_string())
                    .collect()
            })
            .unwrap_or_default()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let publication = read(r#"{"data":"x"}"#);
        assert!(
            matches!(&publication, Ok(p) if p.persist && p.payload.event.as_ref() == "message" && p.payload.extra.is_empty())
        );
        assert_eq!(channels(r#"{"data":"x"}"#), ["global"]);
    }

    #[test]
    fn data_travels_as_it_was_written() {
        let data = |value: &str| payload(&format!(r#"{{"data":{value}}}"#)).1;
        assert_eq!(data(r#""a \"b\"""#), r#"a "b""#);
        assert_eq!(data("1.50"), "1.50");
        assert_eq!(
            data("123456789012345678901234567890"),
            "123456789012345678901234567890"
        );
        assert_eq!(data("false"), "false");
        assert_eq!(
            data(r#"{ "b" : 1, "a" : [ 1.0 , "x  y\" z" ] }"#),
            r#"{"b":1,"a":[1.0,"x  y\" z"]}"#
        );
        assert_eq!(data(r#""""#), "");
    }

    #[test]
    fn further_members_travel_and_reserved_ones_do_not() {
        let (_, _, extra) = payload(
            r#"{"z":1.50,"data":"x","mid":"m","serial":1,"timestamp":1,"publish":"p","user_id":"u","owner_id":"o",
                "instance":"i","id":1,"event":"e","channel":"c","persist":false,"push":{ "a": [1, 2] },"ké":null}"#,
        );
        assert_eq!(extra, r#""z":1.50,"push":{"a":[1,2]},"ké":null"#);
    }

    #[test]
    fn of_a_member_given_twice_the_last_counts() {
        assert_eq!(
            payload(r#"{"data":"x","a":1,"b":2,"a":3,"data":"y"}"#),
            ("message".into(), "y".into(), r#""a":3,"b":2"#.into())
        );
    }

    #[test]
    fn channels_are_a_name_or_a_list() {
        assert_eq!(channels(r#"{"data":1,"channel":"a"}"#), ["a"]);
        assert_eq!(
            channels(r#"{"data":1,"channel":["a","b","a"]}"#),
            ["a", "b"]
        );
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("\"c{number}\"")).collect();
            channels(&format!(r#"{{"data":1,"channel":[{}]}}"#, names.join(","))).len()
        };
        assert_eq!(many(1000), 1000);
        assert_eq!(many(1001), 0);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let too_long = format!(r#"{{"data":1,"web_push":"{}"}}"#, "x".repeat(3994));
        let collapse = format!(
            r#"{{"data":1,"apn":{{"headers":{{"apns-collapse-id":"{}"}}}}}}"#,
            "x".repeat(65)
        );
        let refused = [
            ("", "the body is empty"),
            ("[]", "must be a JSON object"),
            ("{", "is not JSON"),
            ("{\"data\":1} x", "is not JSON"),
            ("{}", "data is missing"),
            (r#"{"data":null}"#, "data must not be null"),
            (r#"{"data":"\ud800"}"#, "data is not text"),
            (r#"{"data":1,"channel":[]}"#, "channel must be"),
            (r#"{"data":1,"channel":7}"#, "channel must be"),
            (r#"{"data":1,"channel":null}"#, "channel must be"),
            (r#"{"data":1,"channel":["a",7]}"#, "channel must be"),
            (r#"{"data":1,"channel":["a",""]}"#, "channel name is empty"),
            (r#"{"data":1,"event":null}"#, "event must be a string"),
            (
                r#"{"data":1,"event":"pusher:x"}"#,
                "reserved for the protocol",
            ),
            (r#"{"data":1,"persist":1}"#, "persist must be"),
            (
                r#"{"data":1,"x":"\ud800"}"#,
                "the member x cannot be encoded",
            ),
            (r#"{"data":1,"x":1e999}"#, "the member x cannot be encoded"),
            (
                r#"{"data":1,"web_push":{"ttl":-1}}"#,
                "web_push.ttl must be",
            ),
            (&too_long, "web_push has 3994 bytes"),
            (
                r#"{"data":1,"apn":{"aps":{},"headers":{"apns-push-type":"shout"}}}"#,
                "apn.headers: the apn header apns-push-type must be",
            ),
            (
                r#"{"data":1,"apn":{"headers":{"priority":7}}}"#,
                "apns-priority must be",
            ),
            (
                r#"{"data":1,"apn":{"headers":{"apns-expiration":"soon"}}}"#,
                "apns-expiration must be",
            ),
            (&collapse, "apns-collapse-id must be"),
            (
                r#"{"data":1,"apn":{"headers":{"x":"y"}}}"#,
                "an apn header is unknown",
            ),
            (
                r#"{"data":1,"apn":{"headers":["apns-priority"]}}"#,
                "must be an object",
            ),
        ];
        for body in [
            r#"{"data":1,"apn":{"aps":{},"headers":{"apns-push-type":"voip","priority":5,"apns-topic":null}}}"#,
            r#"{"data":1,"apn":{"headers":null}}"#,
            r#"{"data":1,"apn":"headers"}"#,
            r#"{"data":{"headers":{"x":"y"}},"push":{"headers":7}}"#,
        ] {
            assert!(read(body).is_ok(), "{body}");
        }
        let long = format!(r#"{{"data":"{0}","x":"{0}"}}"#, "x".repeat(3994));
        assert!(read(&long).is_ok(), "other members are longer");
        for (body, expected) in refused {
            let error = read(body).err().unwrap_or_default();
            assert!(error.contains(expected), "{body}: {error}");
        }
        let deep = format!(r#"{{"data":1,"x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(read(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Publication::read(&body, &Limits::default());
        }

        #[test]
        fn compacting_keeps_the_meaning(text in proptest::prelude::any::<String>(), number in proptest::prelude::any::<i32>()) {
            let value = json!({"a": [text, number, {"b c": null}]});
            let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
            proptest::prop_assert_eq!(compact(&pretty), value.to_string());
        }
    }
}
