//! A publish of the Pusher API: the members of a body, or of one entry of a batch.

use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value, json};

use super::super::body::BodyMembers;
use super::super::problem::Problem;
use super::super::schema::{PRINTABLE, example, inline, name, plain, shape};
use super::info::Info;
use super::{bound, read_channel};
use crate::core::model::{App, ChannelName, Limits, Payload, SocketId, check_event_name};
use crate::core::service::{Service, TriggerRequest};

/// The most channels of one event.
const MOST_CHANNELS: usize = 100;

/// The most events of one batch.
const MOST_EVENTS: usize = 10;

fn channel_schema(about: &'static str) -> MetaSchema {
    let pattern = "^([A-Za-z0-9_=@,.;-]+|#server-to-user-[ -~]{1,128})$";
    MetaSchema {
        pattern: Some(pattern.into()),
        ..name(about, 1, 200)
    }
}

/// The members that an event has alone and in a batch.
fn common() -> Vec<(&'static str, poem_openapi::registry::MetaSchemaRef)> {
    let event = MetaSchema {
        pattern: Some(format!(
            "^(?!pusher:|pusher_internal:){}",
            PRINTABLE.trim_start_matches('^')
        )),
        ..name(
            "The name of the event. The prefixes `pusher:` and `pusher_internal:` are reserved.",
            1,
            200,
        )
    };
    let socket = MetaSchema {
        pattern: Some("^[0-9]+\\.[0-9]+$".into()),
        nullable: true,
        ..plain(
            "string",
            "The connection that does not receive the event, usually the one that caused it.",
        )
    };
    let info = MetaSchema {
        pattern: Some(
            "^((user_count|subscription_count)(,(user_count|subscription_count))*)?$".into(),
        ),
        nullable: true,
        ..plain(
            "string",
            "Attributes of the channels to return: `user_count` (only of presence channels), `subscription_count`.",
        )
    };
    vec![
        ("name", inline(event)),
        (
            "data",
            inline(plain(
                "string",
                "The payload, usually JSON text; at most 10 kB by default (`max_data_bytes`).",
            )),
        ),
        ("socket_id", inline(socket)),
        ("info", inline(info)),
    ]
}

shape! {
    /// An event, in the document.
    MessageShape as "PusherEvent" = |_| {
        let channels = MetaSchema {
            items: Some(Box::new(inline(channel_schema("A channel.")))),
            min_items: Some(1),
            max_items: Some(MOST_CHANNELS),
            ..plain("array", "The channels. A single one is also accepted as the string `channel`.")
        };
        let mut properties = common();
        properties.insert(2, ("channels", inline(channels)));
        let schema = MetaSchema { required: vec!["name", "data", "channels"], properties, ..plain("object", "An event to publish.") };
        example(schema, json!({"name": "my-event", "data": "{\"text\":\"hello\"}", "channels": ["my-channel"]}))
    }
}

shape! {
    /// An event of a batch, in the document.
    EntryShape as "PusherBatchEvent" = |_| {
        let mut properties = common();
        properties.insert(2, ("channel", inline(channel_schema("The channel."))));
        let schema = MetaSchema { required: vec!["name", "data", "channel"], properties, ..plain("object", "An event of a batch.") };
        example(schema, json!({"name": "my-event", "data": "{\"text\":\"hello\"}", "channel": "my-channel"}))
    }
}

shape! {
    /// A batch, in the document.
    BatchShape as "PusherBatch" = |registry| {
        <EntryShape as poem_openapi::types::Type>::register(registry);
        let batch = MetaSchema {
            items: Some(Box::new(<EntryShape as poem_openapi::types::Type>::schema_ref())),
            max_items: Some(MOST_EVENTS),
            ..plain("array", "The events, in their order.")
        };
        MetaSchema { required: vec!["batch"], properties: vec![("batch", inline(batch))], ..plain("object", "Events to publish together.") }
    }
}

/// An event, and the channel attributes to return.
pub(super) struct Message {
    pub trigger: TriggerRequest,
    pub info: Info,
}

/// The limits of an app's messages.
struct Bounds<'a> {
    limits: &'a Limits,
    /// Bytes of `data`; 0: any number.
    data: u64,
}

impl<'a> Bounds<'a> {
    fn of(service: &'a Service, app: &App) -> Self {
        let limits = &service.rules().limits;
        Self {
            limits,
            data: app
                .settings
                .limits
                .max_data_bytes
                .unwrap_or(limits.data_bytes),
        }
    }
}

impl Message {
    /// Reads the one event of a body.
    pub(super) fn one(
        service: &Service,
        app: &App,
        members: &BodyMembers,
    ) -> Result<Self, Problem> {
        read(members, &Bounds::of(service, app), true)
    }

    /// Reads a batch; all of it is good, or nothing is published.
    pub(super) fn batch(
        service: &Service,
        app: &App,
        members: &BodyMembers,
    ) -> Result<Vec<Self>, Problem> {
        let bounds = Bounds::of(service, app);
        let Some(Value::Array(entries)) = members.get("batch") else {
            return Err(Problem::bad_request(
                "batch is missing: send a list of events",
            ));
        };
        if entries.len() > MOST_EVENTS {
            return Err(Problem::bad_request(format!(
                "a batch has at most {MOST_EVENTS} events: send several batches"
            )));
        }
        let entry = |entry: &Value| match entry {
            Value::Object(members) => read(members, &bounds, false),
            _ => Err(Problem::bad_request(
                "each event of a batch must be an object",
            )),
        };
        entries.iter().map(entry).collect()
    }
}

fn read(
    members: &Map<String, Value>,
    bounds: &Bounds<'_>,
    several: bool,
) -> Result<Message, Problem> {
    let event = text(members, "name")?
        .ok_or_else(|| Problem::bad_request("name is missing: send the event's name"))?;
    check_event_name(event, bound(bounds.limits.event_name))?;
    let data = text(members, "data")?
        .ok_or_else(|| Problem::bad_request("data is missing: send a string"))?;
    if bounds.data != 0 && data.len() as u64 > bounds.data {
        return Err(Problem::too_much(format!(
            "data has more than {} bytes (max_data_bytes): send less data",
            bounds.data
        )));
    }
    let channels = channels(members, bounds.limits, several)?;
    if channels.len() > 1 && channels.iter().any(ChannelName::is_encrypted) {
        return Err(Problem::bad_request(
            "an event for an encrypted channel must have no other channel: publish to each separately",
        ));
    }
    let info = Info::read(text(members, "info")?.unwrap_or_default(), false);
    let info = info.map_err(|must| Problem::bad_request(format!("info {must}")))?;
    let except = text(members, "socket_id")?
        .map(read_socket)
        .transpose()?
        .flatten();
    let payload = Payload {
        event: event.into(),
        data: data.into(),
        extra: Default::default(),
    };
    Ok(Message {
        trigger: TriggerRequest {
            channels,
            payload,
            except,
        },
        info,
    })
}

/// A string member; null counts as missing.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Problem> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_request(format!("{name} must be a string"))),
    }
}

/// The named channels, each once.
fn channels(
    members: &Map<String, Value>,
    limits: &Limits,
    several: bool,
) -> Result<Vec<ChannelName>, Problem> {
    let must = || {
        Problem::bad_request(format!(
            "channels must be a list of 1 to {MOST_CHANNELS} names"
        ))
    };
    let mut names = Vec::new();
    match members.get("channels").filter(|_| several) {
        None | Some(Value::Null) => {}
        Some(Value::Array(given)) => {
            for name in given {
                names.push(name.as_str().ok_or_else(must)?);
            }
        }
        Some(_) => return Err(must()),
    }
    names.extend(text(members, "channel")?);
    if names.is_empty() && !several {
        return Err(Problem::bad_request("channel is missing: send its name"));
    }
    if !(1..=MOST_CHANNELS).contains(&names.len()) {
        return Err(must());
    }
    let mut channels: Vec<ChannelName> = Vec::with_capacity(names.len());
    for name in names {
        let channel = read_channel(name, limits)?;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

/// A socket id; `None` for a well-formed id that no connection can have.
fn read_socket(text: &str) -> Result<Option<SocketId>, Problem> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((process, counter)) if digits(process) && digits(counter) => Ok(SocketId::parse(text)),
        _ => Err(Problem::bad_request(
            "socket_id must be two numbers separated by a dot, as in the connection's first frame",
        )),
    }
}
