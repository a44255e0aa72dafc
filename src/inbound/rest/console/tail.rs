//! The live stream of an app's events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Body, IntoResponse, Request, RequestBody, Response};
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, Registry};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi,
};
use serde_json::{Value, json};

use super::{app, names};
use crate::core::ports::{TailEvent, TailFilter};
use crate::core::service::{TailAccess, TailEnd, TailItem};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::params::{Accepts, AnyEventName, ChannelPrefix, Ident, Param};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{example, whole};
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

const EVENT_STREAM: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// The longest stream in seconds.
const MOST_SECONDS: u64 = 3600;

/// A number of seconds.
enum Seconds {}

impl Accepts for Seconds {
    type Value = u64;

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            maximum: Some(MOST_SECONDS as f64),
            ..whole("", 1.0)
        };
        example(schema, 60)
    }

    fn read(text: &str) -> Result<u64, &'static str> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain);
        number
            .filter(|number| (1..=MOST_SECONDS).contains(number))
            .ok_or("must be an integer from 1 to 3600")
    }
}

/// Whether the client wants server-sent events.
struct WantsEventStream(bool);

impl WantsEventStream {
    fn of(headers: &HeaderMap) -> bool {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let mut ranges = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim());
        ranges.any(|range| range.eq_ignore_ascii_case(EVENT_STREAM))
    }
}

impl<'a> ApiExtractor<'a> for WantsEventStream {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];
    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(Self::of(request.headers())))
    }
}

/// An entry of the stream, in the document. Members that an entry's `type` has not are absent.
#[derive(Debug, Object)]
#[oai(rename = "TailEntry")]
pub(in crate::inbound::rest) struct ShownEntry {
    /// `open`: first, once all `nodes` watch. `event`: a published event. `skipped`: `count` events were left out here, because the
    /// stream was read too slowly. `nodes`: the nodes have changed. `keep_alive`: nothing was published for a while. `end`: last.
    #[oai(rename = "type")]
    pub kind: String,
    /// Of `open` and `nodes`: the nodes whose events are shown.
    #[oai(skip_serializing_if_is_none)]
    pub nodes: Option<Vec<String>>,
    /// Of `open` and `nodes`: nodes that do not answer.
    #[oai(skip_serializing_if_is_none)]
    pub silent_nodes: Option<Vec<String>>,
    /// Of `skipped`: the number of events.
    #[oai(skip_serializing_if_is_none)]
    pub count: Option<u64>,
    /// Of `end`: `stopping`: the server stops. `time`: the stream has lasted for `seconds`. `session`: the session has ended. `app`: the
    /// app was deleted, or disabled.
    #[oai(skip_serializing_if_is_none)]
    pub reason: Option<String>,
    /// Of `event`: time at which it was accepted, in seconds since 1970.
    #[oai(skip_serializing_if_is_none)]
    pub time: Option<f64>,
    /// Of `event`: the channel.
    #[oai(skip_serializing_if_is_none)]
    pub channel: Option<String>,
    /// Of `event`: the name of the event.
    #[oai(skip_serializing_if_is_none)]
    pub event: Option<String>,
    /// Of `event`: the payload: a string as it was published, any other value as JSON text.
    #[oai(skip_serializing_if_is_none)]
    pub data: Option<String>,
    /// Of `event`: the unique identifier of the event.
    #[oai(skip_serializing_if_is_none)]
    pub mid: Option<String>,
    /// Of `event`: the position in the channel; absent if it is not stored.
    #[oai(skip_serializing_if_is_none)]
    pub serial: Option<u64>,
    /// Of `event`: `rest` or `client`.
    #[oai(skip_serializing_if_is_none)]
    pub publisher: Option<String>,
    /// Of `event`: the connection that published it; absent if a back end did.
    #[oai(skip_serializing_if_is_none)]
    pub socket_id: Option<String>,
    /// Of `event`: the user of that connection; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<String>,
    /// Of `event`: number of connections that it was for, on all nodes; absent if it is unknown.
    #[oai(skip_serializing_if_is_none)]
    pub recipients: Option<u64>,
    /// Of `event`: the node at which it was published.
    #[oai(skip_serializing_if_is_none)]
    pub node: Option<String>,
}

fn event_json(event: &TailEvent, recipients: Option<u64>) -> Value {
    let mut entry = json!({
        "type": "event",
        "time": event.at.seconds(),
        "channel": event.channel.as_str(),
        "event": &*event.event,
        "data": &*event.data,
        "mid": &*event.mid,
        "serial": event.serial,
        "publisher": if event.socket.is_some() { "client" } else { "rest" },
        "socket_id": event.socket.as_deref(),
        "user_id": event.user.as_ref().map(|user| user.as_str()),
        "recipients": recipients,
        "node": event.node.to_string(),
    });
    if let Some(members) = entry.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    entry
}

/// The type of an entry, and the entry as JSON.
fn entry(item: &TailItem) -> (&'static str, Value) {
    let of_nodes = |kind: &'static str, nodes: &[u64], silent: &[u64]| {
        let entry = json!({"type": kind, "nodes": names(nodes), "silent_nodes": names(silent)});
        (kind, entry)
    };
    match item {
        TailItem::Open { nodes, silent } => of_nodes("open", nodes, silent),
        TailItem::Nodes { nodes, silent } => of_nodes("nodes", nodes, silent),
        TailItem::Event(event, recipients) => ("event", event_json(event, *recipients)),
        TailItem::Skipped(count) => ("skipped", json!({"type": "skipped", "count": count})),
        TailItem::KeepAlive => ("keep_alive", json!({"type": "keep_alive"})),
        TailItem::End(end) => {
            let reason = match end {
                TailEnd::Stopping => "stopping",
                TailEnd::Time => "time",
                TailEnd::Session => "session",
                TailEnd::App => "app",
            };
            ("end", json!({"type": "end", "reason": reason}))
        }
    }
}

fn render(items: &[TailItem], as_event_stream: bool) -> Bytes {
    let mut text = String::new();
    for item in items {
        let (kind, entry) = entry(item);
        if !as_event_stream {
            text.push_str(&format!("{entry}\n"));
        } else if matches!(item, TailItem::KeepAlive) {
            text.push_str(": keep-alive\n\n");
        } else {
            text.push_str(&format!("event: {kind}\ndata: {entry}\n\n"));
        }
    }
    text.into()
}

/// A stream of entries, in one of two forms.
pub(in crate::inbound::rest) struct TailAnswer {
    body: Body,
    content_type: &'static str,
}

impl IntoResponse for TailAnswer {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .content_type(self.content_type)
            .body(self.body);
        // A proxy must not wait for more.
        let headers = response.headers_mut();
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl ApiResponse for TailAnswer {
    fn meta() -> MetaResponses {
        use poem_openapi::types::Type;

        let content = [NDJSON, EVENT_STREAM].map(|content_type| MetaMediaType {
            content_type,
            schema: ShownEntry::schema_ref(),
        });
        let response = MetaResponse {
            description: "Entries, one a line, or one a server-sent event.",
            status: Some(200),
            status_range: None,
            content: content.into(),
            headers: Vec::new(),
        };
        MetaResponses {
            responses: vec![response],
        }
    }

    fn register(registry: &mut Registry) {
        use poem_openapi::types::Type;

        ShownEntry::register(registry);
    }
}

/// The route of the stream.
pub(in crate::inbound::rest) struct TailRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl TailRoutes {
    /// Watch the events of an app
    ///
    /// Streams the events that are published on all nodes from now on, as NDJSON, or as server-sent events for a client that accepts
    /// `text/event-stream`. It never slows publishing: what does not fit into a buffer of 1 MiB is left out and counted. At most 8 streams
    /// of an app, and 16 of a node, exist at a time. A stream ends with the session that opened it, and with the app. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/tail",
        method = "get",
        operation_id = "watchEvents"
    )]
    async fn tail(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only events of channels whose names begin with this text. Empty: of all channels.
        channel_prefix: Query<Option<Param<ChannelPrefix>>>,
        /// Only events with this name. Empty: all events.
        event: Query<Option<Param<AnyEventName>>>,
        /// Seconds after which the stream ends. Default: 3600.
        seconds: Query<Option<Param<Seconds>>>,
        wants: WantsEventStream,
    ) -> Result<TailAnswer, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let filter = TailFilter {
            app: app.ident.clone(),
            prefix: channel_prefix.0.map(|prefix| prefix.0).unwrap_or_default(),
            event: event.0.map(|event| event.0).unwrap_or_default(),
        };
        let access = match (caller, &self.0.rules.admin_token) {
            (Caller::Session(session), _) => TailAccess::App(Box::new(session)),
            (Caller::Administrator(Some(session)), Some(token)) => {
                let token = token.clone();
                TailAccess::AdministratorSession { token, session }
            }
            (Caller::Administrator(_), _) => TailAccess::AdministratorToken,
        };
        let seconds = seconds.0.map_or(MOST_SECONDS, |seconds| seconds.0);
        let lasting = Duration::from_secs(seconds);
        let tail = self
            .0
            .service
            .tail(app, access, filter, lasting)
            .map_err(|error| Problem::too_many(error.to_string(), Duration::from_secs(1)))?;
        let WantsEventStream(as_event_stream) = wants;
        let pieces = stream::unfold(tail, move |mut tail| async move {
            let items = tail.next().await?;
            Some((
                Ok::<_, std::io::Error>(render(&items, as_event_stream)),
                tail,
            ))
        });
        Ok(TailAnswer {
            body: Body::from_bytes_stream(pieces),
            content_type: if as_event_stream {
                EVENT_STREAM
            } else {
                NDJSON
            },
        })
    }
}
