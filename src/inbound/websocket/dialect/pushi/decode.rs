//! From a client's frame to a command with types that cannot be wrong.

use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::channel_data::channel_data;
use super::super::members::{Members, compact, number, string};
use super::super::{Asked, Command, Complaint};
use crate::core::model::{ChannelName, Limits, Payload, check_event_name};
use crate::core::service::{ChannelData, ClientPublish, Since, Subscribe};

/// A `ref` may have this many characters.
const MOST_REFERENCE: usize = 64;

/// What `latest` answers where the client does not say how many.
const LATEST: u64 = 10;

/// What is known of a frame, for the complaint about it.
#[derive(Default)]
struct Subject {
    asked: Asked,
    channel: String,
}

impl Subject {
    fn complain<T>(&self, code: u16, message: impl Into<String>) -> Result<T, Complaint> {
        Err(Complaint {
            code,
            message: message.into(),
            channel: self.channel.clone(),
            event: self.asked.event.clone(),
            reference: self.asked.reference.clone(),
        })
    }
}

/// Reads a frame. `limits` bounds the names. Answers the command with what an error about it repeats.
pub fn decode(text: &str, limits: &Limits) -> Result<(Command, Asked), Complaint> {
    let mut subject = Subject::default();
    let members = read(text, &subject)?;
    let event = members.event.and_then(string);
    // Shown as far as a good name could go, so that a huge one is not sent back.
    subject.asked.event = event
        .iter()
        .flat_map(|name| name.chars())
        .take(bound(limits.event_name).clamp(1, 2000))
        .collect();
    if let Some(reference) = members.reference {
        match string(reference).filter(|text| text.chars().count() <= MOST_REFERENCE) {
            Some(reference) => subject.asked.reference = Some(reference),
            None => return subject.complain(4314, "ref must be a string of at most 64 characters"),
        }
    }
    let Some(event) = event else {
        return subject.complain(
            4312,
            "the frame has no event: name one, as a string, in its member \"event\"",
        );
    };
    let command = match event.as_str() {
        "pusher:subscribe" => subscribe(&members, &mut subject, limits)?,
        "pusher:unsubscribe" => {
            Command::Unsubscribe(protocol_channel(&members, &mut subject, limits)?.0)
        }
        "pusher:latest" => latest(&members, &mut subject, limits)?,
        "pusher:ping" => Command::Ping,
        _ => publish(&event, &members, &mut subject, limits)?,
    };
    Ok((command, subject.asked))
}

fn read<'a>(text: &'a str, subject: &Subject) -> Result<Members<'a>, Complaint> {
    match serde_json::from_str(text) {
        Ok(members) => Ok(members),
        // What is not an object is refused at its first character, so it may still be no JSON further on.
        Err(error) if error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            subject.complain(
                4311,
                "the frame is JSON but not an object: send one JSON object a frame",
            )
        }
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            subject.complain(
                4310,
                format!("the frame is not JSON (at {place}): send one JSON object a frame"),
            )
        }
    }
}

/// The channel of a frame of the protocol's own, and the members of its `data`.
fn protocol_channel<'a>(
    members: &Members<'a>,
    subject: &mut Subject,
    limits: &Limits,
) -> Result<(ChannelName, Members<'a>), Complaint> {
    let Some(data) = members.data else {
        return subject.complain(
            4314,
            "the frame has no data: give an object with the member \"channel\"",
        );
    };
    let Ok(inner) = serde_json::from_str::<Members<'a>>(data.get()) else {
        return subject.complain(4314, "data must be an object with the member \"channel\"");
    };
    let channel = channel(inner.channel, subject, limits)?;
    Ok((channel, inner))
}

fn channel(
    value: Option<&RawValue>,
    subject: &mut Subject,
    limits: &Limits,
) -> Result<ChannelName, Complaint> {
    let Some(value) = value else {
        return subject.complain(4314, "no channel: name one in the member \"channel\"");
    };
    let Some(name) = string(value) else {
        return subject.complain(4314, "channel must be a string");
    };
    match ChannelName::parse(&name, bound(limits.channel_name)) {
        Ok(channel) => {
            subject.channel = name;
            Ok(channel)
        }
        Err(error) => {
            subject.channel = name
                .chars()
                .take(bound(limits.channel_name).clamp(1, 2000))
                .collect();
            subject.complain(4315, error.to_string())
        }
    }
}

fn bound(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn subscribe(
    members: &Members<'_>,
    subject: &mut Subject,
    limits: &Limits,
) -> Result<Command, Complaint> {
    let (channel, data) = protocol_channel(members, subject, limits)?;
    let auth = match data.auth.map(string) {
        None => None,
        Some(Some(auth)) => Some(auth),
        Some(None) => return subject.complain(4009, "auth must be a string: <app_key>:<hex>"),
    };
    let channel_data = data
        .channel_data
        .map(|value| about_client(value, subject))
        .transpose()?;
    let since = data.since.map(|value| since(value, subject)).transpose()?;
    Ok(Command::Subscribe(Box::new(Subscribe {
        channel,
        auth,
        channel_data,
        since,
    })))
}

fn about_client(value: &RawValue, subject: &Subject) -> Result<ChannelData, Complaint> {
    match channel_data(value) {
        Some(data) => Ok(data),
        None => subject.complain(
            4314,
            "channel_data must be a JSON object, or a string that holds one",
        ),
    }
}

fn since(value: &RawValue, subject: &Subject) -> Result<Since, Complaint> {
    if let Some(serial) = number(value) {
        return Ok(Since::Serial(serial));
    }
    if string(value).as_deref() == Some("now") {
        return Ok(Since::Now);
    }
    if let Ok(each) = serde_json::from_str::<Map<String, Value>>(value.get()) {
        let serial = |value: &Value| {
            value
                .as_u64()
                .filter(|serial| i64::try_from(*serial).is_ok())
        };
        let each: Option<Vec<_>> = each
            .iter()
            .map(|(name, value)| Some((ChannelName::trusted(name), serial(value)?)))
            .collect();
        if let Some(each) = each {
            return Ok(Since::Each(each));
        }
    }
    subject.complain(4314, "since must be a whole number from 0 or \"now\" (for a personal channel also an object of channel to number)")
}

fn latest(
    members: &Members<'_>,
    subject: &mut Subject,
    limits: &Limits,
) -> Result<Command, Complaint> {
    let (channel, data) = protocol_channel(members, subject, limits)?;
    let whole = |value: Option<&RawValue>, name: &str, default: u64| match value.map(number) {
        None => Ok(default),
        Some(Some(number)) => Ok(number),
        Some(None) => subject.complain(4314, format!("{name} must be a whole number from 0")),
    };
    let skip = whole(data.skip, "skip", 0)?;
    let count = whole(data.count, "count", LATEST)?;
    Ok(Command::Latest {
        channel,
        skip,
        count,
    })
}

fn publish(
    name: &str,
    members: &Members<'_>,
    subject: &mut Subject,
    limits: &Limits,
) -> Result<Command, Complaint> {
    if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
        return subject.complain(
            4313,
            "not an event of the protocol that a client may send: names beginning with pusher: or pusher_internal: are reserved",
        );
    }
    if let Err(error) = check_event_name(name, bound(limits.event_name)) {
        return subject.complain(4315, error.to_string());
    }
    let channel = channel(members.channel, subject, limits)?;
    let data = match members.data {
        // As in the original, where an event without data says null.
        None => "null".to_owned(),
        Some(value) if value.get().starts_with('"') => match string(value) {
            Some(text) => text,
            None => return subject.complain(4314, "data holds a text that is not Unicode"),
        },
        Some(value) => compact(value.get()),
    };
    let flag = |value: Option<&RawValue>, name: &str, default: bool| match value.map(RawValue::get)
    {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => subject.complain(4314, format!("{name} must be true or false")),
    };
    let echo = flag(members.echo, "echo", false)?;
    let persist = flag(members.persist, "persist", true)?;
    let payload = Payload {
        event: name.into(),
        data: data.into(),
        extra: Arc::from(""),
    };
    let reference = subject.asked.reference.clone();
    Ok(Command::Publish(Box::new(ClientPublish {
        channel,
        payload,
        persist,
        echo,
        reference,
        behind: false,
    })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::model::UserId;

    fn read_frame(text: &str) -> Result<Command, Complaint> {
        decode(text, &Limits::default()).map(|(command, _)| command)
    }

    fn code(text: &str) -> u16 {
        read_frame(text).map_or_else(|complaint| complaint.code, |_| 0)
    }

    fn published(frame: serde_json::Value) -> ClientPublish {
        match read_frame(&frame.to_string()) {
            Ok(Command::Publish(publish)) => *publish,
            other => panic!("not a publish: {other:?}"),
        }
    }

    #[test]
    fn every_malformed_frame_has_its_code() {
        for (text, expected) in [
            ("", 4310),
            ("{", 4310),
            ("[1,", 4310),
            ("nonsense", 4310),
            ("{\"event\":\"a\"} x", 4310),
            ("[]", 4311),
            ("\"text\"", 4311),
            ("null", 4311),
            ("{}", 4312),
            (r#"{"event":7}"#, 4312),
            (r#"{"event":"pusher:nonsense"}"#, 4313),
            (r#"{"event":"pusher_internal:x","channel":"c"}"#, 4313),
            (r#"{"event":"message","data":1}"#, 4314),
            (r#"{"event":"message","channel":7}"#, 4314),
            (r#"{"event":"message","channel":"c","echo":1}"#, 4314),
            (r#"{"event":"message","channel":"c","persist":"yes"}"#, 4314),
            (r#"{"event":"message","channel":"c","data":"\ud800"}"#, 4314),
            (r#"{"event":"pusher:subscribe"}"#, 4314),
            (r#"{"event":"pusher:subscribe","data":"c"}"#, 4314),
            (r#"{"event":"pusher:subscribe","data":{}}"#, 4314),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","since":-1}}"#,
                4314,
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","since":1.5}}"#,
                4314,
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","since":"then"}}"#,
                4314,
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","since":99999999999999999999}}"#,
                4314,
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"presence-c","channel_data":[]}}"#,
                4314,
            ),
            (
                r#"{"event":"pusher:latest","data":{"channel":"c","skip":-1}}"#,
                4314,
            ),
            (r#"{"event":"","channel":"c"}"#, 4315),
            (r#"{"event":"message","channel":""}"#, 4315),
            (r#"{"event":"mes\u0000sage","channel":"c"}"#, 4315),
            (r#"{"event":"message","channel":"c","ref":7}"#, 4314),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        let long = json!({"event": "message", "channel": "c", "ref": "x".repeat(65)});
        assert_eq!(code(&long.to_string()), 4314);
    }

    #[test]
    fn a_publish_has_the_protocols_defaults() {
        let publish = published(json!({"event": "message", "channel": "c", "data": "x"}));
        assert!(publish.persist && !publish.echo && publish.reference.is_none());
        let publish = published(
            json!({"event": "message", "channel": "c", "data": "x", "persist": false, "echo": true, "ref": "7"}),
        );
        assert!(!publish.persist && publish.echo);
        assert_eq!(publish.reference.as_deref(), Some("7"));
    }

    #[test]
    fn data_is_text_or_becomes_the_text_of_its_json() {
        let data = |value: serde_json::Value| {
            published(json!({"event": "m", "channel": "c", "data": value}))
                .payload
                .data
                .to_string()
        };
        assert_eq!(data(json!("x\n")), "x\n");
        assert_eq!(
            data(json!({"b": [1, null], "a": "é"})),
            r#"{"b":[1,null],"a":"é"}"#
        );
        assert_eq!(
            published(json!({"event": "m", "channel": "c"}))
                .payload
                .data
                .as_ref(),
            "null"
        );
        let Ok(Command::Publish(publish)) =
            read_frame(r#"{"event":"m","channel":"c","data": { "n" : 1.0 } }"#)
        else {
            panic!()
        };
        assert_eq!(publish.payload.data.as_ref(), r#"{"n":1.0}"#);
    }

    #[test]
    fn only_event_channel_and_data_travel_from_a_socket() {
        let publish = published(
            json!({"event": "m", "channel": "c", "data": "", "user_id": "u", "mid": "x", "else": 1}),
        );
        assert!(publish.payload.extra.is_empty());
    }

    #[test]
    fn channel_data_is_an_object_or_a_string_that_holds_one() {
        let data = |value: serde_json::Value| {
            match read_frame(
            &json!({"event": "pusher:subscribe", "data": {"channel": "presence-c", "channel_data": value}}).to_string(),
        ) {
            Ok(Command::Subscribe(subscribe)) => subscribe.channel_data.unwrap(),
            other => panic!("not a subscription: {other:?}"),
        }
        };
        let object = data(json!({"user_id": "u1", "peer": true}));
        assert_eq!(object.user_id.as_ref().map(UserId::as_str), Some("u1"));
        assert!(object.peer);
        let string = data(json!("{\"user_id\": \"u1\", \"name\":\"Ann\"}"));
        assert_eq!(
            &*string.signed, "{\"user_id\": \"u1\", \"name\":\"Ann\"}",
            "a signature covers it as sent"
        );
        assert_eq!(&*string.object, r#"{"user_id":"u1","name":"Ann"}"#);
        let number = data(json!({"user_id": 10, "name": "Ann"}));
        assert_eq!(
            &*number.object, r#"{"user_id":"10","name":"Ann"}"#,
            "a user id is a string for everybody"
        );
        assert_eq!(data(json!({"name": "Ann"})).user_id, None);
        assert_eq!(data(json!({"user_id": ""})).user_id, None);
        assert!(!data(json!({"user_id": "u", "peer": 1})).peer);
    }

    fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
        let word = prop::sample::select(vec![
            "pusher:subscribe",
            "pusher:latest",
            "pusher:unsubscribe",
            "pusher:x",
            "message",
            "presence-a",
            "peer-a:b&c",
            "now",
            "",
        ]);
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            word.prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        let name = prop::sample::select(vec![
            "event",
            "channel",
            "data",
            "auth",
            "channel_data",
            "since",
            "skip",
            "count",
            "echo",
            "persist",
            "ref",
            "user_id",
            "peer",
            "x",
        ]);
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                    serde_json::Value::Object(
                        members
                            .into_iter()
                            .map(|(name, value)| (name.to_owned(), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_is_a_command_or_a_complaint(text in any::<String>()) {
            let _ = read_frame(&text);
        }

        #[test]
        fn any_json_is_a_command_or_a_complaint(value in arbitrary_json()) {
            let _ = read_frame(&value.to_string());
        }
    }
}
