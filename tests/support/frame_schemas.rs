//! The check of frames against the AsyncAPI document.

use std::sync::LazyLock;

use jsonschema::{Keyword, ValidationError, ValidationOptions, Validator};
use pushi::core::ports::DialectId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Read by the tests themselves, so that a change of it needs no build.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/asyncapi.json");

/// Who sends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSender {
    Client,
    Server,
}

/// A message of the document.
pub struct FrameSchema {
    /// Its key in the channel.
    pub key: String,
    /// The value of `event`; `None`: the message is of any event that no other one names.
    pub event: Option<String>,
    pub examples: Vec<Value>,
    validator: Validator,
}

impl FrameSchema {
    /// What is wrong with a frame; empty: nothing.
    pub fn faults(&self, frame: &Value) -> Vec<String> {
        self.validator
            .iter_errors(frame)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }
}

/// The name of a dialect's channel in the document.
pub fn schema_channel(dialect: DialectId) -> &'static str {
    match dialect {
        // The events of a stream have the text of this protocol's frames.
        DialectId::Pushi | DialectId::Stream => "pushi",
        DialectId::Pusher => "pusher",
    }
}

/// The messages of each dialect and sender.
static SCHEMAS: LazyLock<Vec<(DialectId, FrameSender, Vec<FrameSchema>)>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    for dialect in [DialectId::Pushi, DialectId::Pusher] {
        for sender in [FrameSender::Client, FrameSender::Server] {
            all.push((dialect, sender, messages(&document, dialect, sender)));
        }
    }
    all
});

/// The messages of the document that a sender sends in a dialect.
pub fn frame_schemas(dialect: DialectId, sender: FrameSender) -> &'static [FrameSchema] {
    SCHEMAS
        .iter()
        .find(|(of, from, _)| (*of, *from) == (dialect, sender))
        .map(|(_, _, schemas)| schemas.as_slice())
        .unwrap()
}

/// Checks a frame against the schema of its event.
///
/// # Errors
/// What is wrong with it.
pub fn check_frame(dialect: DialectId, sender: FrameSender, text: &str) -> Result<(), String> {
    let Ok(frame) = serde_json::from_str::<Value>(text) else {
        return unreadable(text);
    };
    let schemas = frame_schemas(dialect, sender);
    let event = frame["event"].as_str();
    let Some(schema) = schemas
        .iter()
        .find(|schema| schema.event.is_some() && schema.event.as_deref() == event)
        .or_else(|| schemas.iter().find(|schema| schema.event.is_none()))
    else {
        return Err("no message of the document has this event".to_owned());
    };
    let faults = schema.faults(&frame);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("as {}: {}", schema.key, faults.join("; ")))
}

/// JSON may have numbers and strings that Rust has not (`1e999`, half of a surrogate pair): such a text is not checked.
fn unreadable(text: &str) -> Result<(), String> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

fn messages(document: &Value, dialect: DialectId, sender: FrameSender) -> Vec<FrameSchema> {
    let channel = format!("#/channels/{}", schema_channel(dialect));
    let mut keys: Vec<&str> = Vec::new();
    for operation in document["operations"].as_object().unwrap().values() {
        if operation["channel"]["$ref"] != channel.as_str() {
            continue;
        }
        // The document describes the server: what it receives is sent by the client, and replies go the other way.
        let by_client = operation["action"] == "receive";
        let sent = if by_client == (sender == FrameSender::Client) {
            &operation["messages"]
        } else {
            &operation["reply"]["messages"]
        };
        for message in sent.as_array().into_iter().flatten() {
            let key = message["$ref"].as_str().unwrap();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys.into_iter()
        .map(|key| frame_schema(document, key))
        .collect()
}

fn frame_schema(document: &Value, reference: &str) -> FrameSchema {
    let message = document.pointer(&reference[1..]).unwrap();
    let payload = expanded(document, &message["payload"]);
    let event = payload["properties"]["event"]["const"].as_str();
    let examples = message["examples"].as_array().unwrap().iter();
    FrameSchema {
        key: reference.rsplit('/').next().unwrap().to_owned(),
        event: event.map(str::to_owned),
        examples: examples.map(|example| example["payload"].clone()).collect(),
        validator: options().build(&payload).unwrap(),
    }
}

/// A schema with the schemas that it refers to in place of the references.
fn expanded(document: &Value, schema: &Value) -> Value {
    match schema {
        Value::Object(members) => match members.get("$ref").and_then(Value::as_str) {
            Some(reference) => expanded(document, document.pointer(&reference[1..]).unwrap()),
            None => members
                .iter()
                .map(|(name, member)| (name.clone(), expanded(document, member)))
                .collect::<Map<_, _>>()
                .into(),
        },
        Value::Array(items) => items.iter().map(|item| expanded(document, item)).collect(),
        other => other.clone(),
    }
}

/// The draft of AsyncAPI's own schemas, with `contentSchema` of the later ones: it is checked, not only noted.
fn options<'a>() -> ValidationOptions<'a> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .without_content_media_type_support("application/json")
        .with_keyword("contentSchema", |_, schema, _| {
            let validator = options()
                .build(schema)
                .map_err(|error| ValidationError::custom(error.to_string()))?;
            Ok(Box::new(JsonText(validator)))
        })
}

/// A string that contains JSON.
struct JsonText(Validator);

impl<'i> Keyword<'i> for JsonText {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let Value::String(text) = instance else {
            return Ok(());
        };
        match serde_json::from_str(text) {
            Ok(value) => match self.0.iter_errors(&value).next() {
                None => Ok(()),
                Some(error) => Err(ValidationError::custom(format!(
                    "in its JSON {}: {error}",
                    error.instance_path()
                ))),
            },
            Err(_) => unreadable(text).map_err(ValidationError::custom),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.validate(instance).is_ok()
    }
}
