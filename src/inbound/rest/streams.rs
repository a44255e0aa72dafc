//! Streams over plain HTTP: publishing by their clients, and the description of the streams themselves, which
//! the listener serves beside the framework.

use std::net::IpAddr;
use std::sync::Arc;

use poem::http::header;
use poem::{FromRequest, Request, RequestBody, Result as PoemResult};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaSchema;
use serde_json::{Value, json};

use super::RestContext;
use super::answer::JsonAnswer;
use super::body::JsonText;
use super::params::{self, Credential, Param, YesNo};
use super::problem::Problem;
use super::publication::{Publication, PublicationShape};
use super::schema::{example, inline, number, plain, shape, whole};
use super::tags::Section;
use crate::core::model::{Secret, SocketId};
use crate::core::ports::DialectId;
use crate::core::service::{Connecting, Encryption, OpenPublish};
use crate::inbound::listen::ClientInfo;
use crate::inbound::wire::{push_json_string, seconds_text};

/// The path of streams in the document.
pub(super) const PATH: &str = "/stream/{app_key}";

/// The client of a request, as of a connection.
struct StreamClient {
    address: Option<IpAddr>,
    encryption: Encryption,
    origin: Option<String>,
    token: Option<Secret>,
}

impl<'a> FromRequest<'a> for StreamClient {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> PoemResult<Self> {
        let client = request.extensions().get::<ClientInfo>();
        let encryption = match client {
            Some(client) if client.secure => Encryption::Tls,
            Some(client) if client.forwarded => Encryption::Unstated,
            _ => Encryption::Plain,
        };
        let origin = request.headers().get(header::ORIGIN);
        let authorization = request.headers().get(header::AUTHORIZATION);
        let bearer = authorization.and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        Ok(Self {
            address: client.map(|client| client.ip),
            encryption,
            token: bearer.map(Secret::new),
            origin: origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned()),
        })
    }
}

shape! {
    /// The answer to a publish of a stream's client, in the document.
    PublishedShape as "Published" = |_| {
        let event = MetaSchema {
            required: vec!["channel", "mid"],
            properties: vec![
                ("channel", inline(plain("string", "The channel."))),
                ("mid", inline(plain("string", "The unique identifier of the event."))),
                ("serial", inline(whole("The position in the channel; absent where the event is not stored.", 1.0))),
                ("timestamp", inline(number("Time at which the event was accepted, in seconds since 1970; absent where the event is not stored."))),
            ],
            ..plain("object", "A published event.")
        };
        let events = MetaSchema {
            items: Some(Box::new(inline(event))),
            ..plain("array", "The event in each channel, in the order of the request.")
        };
        let schema = MetaSchema {
            required: vec!["events"],
            properties: vec![("events", inline(events))],
            ..plain("object", "The outcome of a publish.")
        };
        example(schema, json!({"events": [{"channel": "news", "mid": "ddc1f09be2a94ea8b8a4f2f8d6f5a301", "serial": 2, "timestamp": 1_795_337_092.27}]}))
    }
}

/// The routes of streams.
pub(super) struct StreamRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Streams")]
impl StreamRoutes {
    /// Publish as a client
    ///
    /// Publishes with the rights of a connected client, for clients of streams, which cannot send: to public channels, and to those that
    /// a token covers, where the token's `publish` or the app's `client_publish` allows it. `max_publishes` counts for each address.
    #[oai(
        path = "/stream/:app_key",
        method = "post",
        operation_id = "publishAsClient"
    )]
    async fn publish(
        &self,
        client: StreamClient,
        /// The key of the app.
        app_key: Path<Param<Credential>>,
        /// The client's own stream (the header `Pushi-Stream` of its response), which the event names as its owner.
        stream: Query<Option<Param<params::Socket>>>,
        /// Whether that stream receives the event, too.
        echo: Query<Option<Param<YesNo>>>,
        /// A token of a user, for channels that are not public. Also accepted as `Authorization: Bearer`.
        token: Query<Option<Param<params::UserToken>>>,
        body: JsonText<PublicationShape>,
    ) -> Result<JsonAnswer<PublishedShape>, Problem> {
        let service = &self.0.service;
        let Publication {
            channels,
            payload,
            persist,
        } = Publication::read(&body.text, &service.rules().limits)?;
        let connecting = Connecting {
            key: &app_key.0.0,
            origin: client.origin.as_deref(),
            encryption: client.encryption,
            dialect: DialectId::Stream,
            address: client.address,
        };
        let publish = OpenPublish {
            channels,
            payload,
            persist,
            stream: stream.0.and_then(|stream| SocketId::parse(&stream.0)),
            echo: echo.0.is_some_and(|echo| echo.0),
        };
        let token = client
            .token
            .or_else(|| token.0.map(|token| Secret::new(token.0)));
        let published = service
            .publish_openly(connecting, token.as_ref(), publish)
            .await?;
        let mut text = String::from("{\"events\":[");
        for (index, (event, position)) in published.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str("{\"channel\":");
            push_json_string(&mut text, event.channel.as_str());
            text.push_str(",\"mid\":");
            push_json_string(&mut text, &event.mid.0);
            if let Some(position) = position {
                let timestamp = seconds_text(event.timestamp);
                let serial = position.serial;
                text.push_str(&format!(",\"serial\":{serial},\"timestamp\":{timestamp}"));
            }
            text.push('}');
        }
        text.push_str("]}");
        Ok(JsonAnswer::text(text))
    }
}

/// The operation of the streams, which are served beside the framework.
pub(super) fn operation() -> Value {
    let text = |about: &str| json!({"description": about, "schema": {"type": "string"}});
    let parameter = |name: &str, about: &str, schema: Value, example: Value| {
        json!({
            "name": name, "in": "query", "description": about, "required": name == "channel",
            "schema": schema, "example": example,
        })
    };
    let error = |name: &str| json!({"$ref": format!("#/components/responses/{name}")});
    let channels = json!({
        "type": "array", "minItems": 1, "maxItems": 100,
        "items": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": super::schema::PRINTABLE},
    });
    let since = "Continue after this position: the `id` of the last event, an object of channel to serial as JSON, or `now`. The header \
                 `Last-Event-ID`, which browsers send when they reconnect, counts more.";
    let wait = "Answer once, with the events that came: at once where there are some, after this number of seconds otherwise.";
    let about = "Sends the events of the channels as they come. Each has an `id`, a position in all channels of the stream; a request that \
                 continues from it misses no stored event and repeats none. Where stored events cannot be read any more, `gap` names the \
                 channels first. The last event of a stream that the server closes is an `error` with its code.\n\n\
                 `text/event-stream`: `data` is the event as on a WebSocket. `application/x-ndjson`: a line `{\"id\":…,\"event\":{…}}` for each \
                 event, `{\"id\":…,\"gap\":{\"channels\":[…]}}`, `{\"error\":{…}}`; empty lines keep the connection open.\n\n\
                 With `wait`, the answer is one object with the events, the channels with a gap, and the `id` for the next request.";
    let polled = json!({
        "type": "object", "required": ["id", "events", "gap"],
        "properties": {
            "id": {"type": "string", "description": "The position after these events: `since` of the next request."},
            "events": {"type": "array", "description": "The events as on a WebSocket.", "items": {"type": "object", "additionalProperties": true}},
            "gap": {"type": "array", "description": "Channels of which events may be missing.", "items": {"type": "string"}},
        },
    });
    json!({
        "tags": ["Streams"],
        "summary": "Stream the events of channels",
        "description": about,
        "operationId": "streamEvents",
        "parameters": [
            {"name": "app_key", "in": "path", "description": "The key of the app.", "required": true, "example": "c9f0f895fb98ab91",
             "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": super::schema::CREDENTIAL}},
            parameter("channel", "A channel; repeated for each, at most 100.", channels, json!(["news"])),
            parameter("token", "A token of a user, for channels that are not public. Also accepted as `Authorization: Bearer`.", json!({"type": "string"}), json!("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl")),
            parameter("since", since, json!({"type": "string"}), json!("now")),
            parameter("wait", wait, json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 60}), json!(25)),
            {"name": "Last-Event-Id", "in": "header", "description": "Continue after this position.", "required": false,
             "schema": {"type": "string"}, "example": "Xyoj741"},
        ],
        "security": [],
        "responses": {
            "200": {
                "description": "The events.",
                "headers": {
                    "Pushi-Stream": text("The id of the stream, by which the connections of the app are listed."),
                    "Pushi-Cursor": text("The position before the first event."),
                },
                "content": {
                    "application/json": {"schema": polled},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                    "text/event-stream": {"schema": {"type": "string"}},
                },
            },
            "400": error("BadRequest"), "401": error("Unauthorized"), "403": error("Forbidden"), "404": error("NotFound"),
            "406": error("NotAcceptable"), "429": error("TooManyRequests"), "503": error("Unavailable"),
        },
    })
}
