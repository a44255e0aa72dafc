//! Publishing and history.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::RestContext;
use super::answer::{EmptyResult, JsonAnswer, done};
use super::body::JsonText;
use super::list::{self, ListPage, PAGE_BYTES};
use super::params::{AnyChannel, IdempotencyKey, Param, Whole};
use super::problem::Problem;
use super::publication::{DEFAULT_CHANNEL, Publication, PublicationShape, read_channel};
use super::schema::{example, inline, list_shape, number, open, plain, shape, whole};
use super::security::{SessionCaller, UserOrSession};
use super::tags::Section;
use crate::core::model::{AppIdent, ChannelName, Position};
use crate::core::service::{AnswerReader, EventQuery, Publishing, Service, TokenAccessError};
use crate::inbound::wire::history_json;

/// The default number of events in a list.
const COUNT: u64 = 10;

shape! {
    /// Schema: an event of the history.
    ContentShape as "EventContent" = |_| {
        let schema = MetaSchema {
            required: vec!["channel", "event", "data"],
            properties: vec![
                ("channel", inline(plain("string", "The channel."))),
                ("event", inline(plain("string", "The name of the event."))),
                ("data", inline(plain("string", "The payload: a string as it was published, any other value as JSON text."))),
            ],
            additional_properties: open(),
            ..plain("object", "The published event, including the additional members of the publish.")
        };
        example(schema, json!({"channel": "global", "event": "message", "data": "{\"text\":\"hello\"}"}))
    }
}

shape! {
    /// An event of the history, in the document.
    EventShape as "Event" = |registry| {
        ContentShape::register(registry);
        let text = |about| inline(plain("string", about));
        let properties = vec![
            ("id", inline(whole("A number unique in the app, increasing within a channel.", 1.0))),
            ("instance", text("The `ident` of the app.")),
            ("mid", text("The unique identifier of the event.")),
            ("channel", text("The channel.")),
            ("owner_id", inline(MetaSchema { nullable: true, ..plain("string", "The socket that published the event; null if a back end did.") })),
            ("timestamp", inline(number("Time at which the event was accepted, in seconds since 1970."))),
            ("date", text("`timestamp` as text.")),
            ("serial", inline(whole("The position in the channel, contiguous from 1.", 1.0))),
            ("publish", text("The identifier that the copies of a publish to several channels share; absent for one channel.")),
            ("data", ContentShape::schema_ref()),
        ];
        let required = properties.iter().map(|(name, _)| *name).filter(|name| *name != "publish").collect();
        let schema = MetaSchema { required, properties, ..plain("object", "A stored event with its payload.") };
        example(schema, json!({
            "id": 2, "instance": "8f14e45fceea167a", "mid": "ddc1f09be2a94ea8b8a4f2f8d6f5a301", "channel": "global", "owner_id": null,
            "timestamp": 1_795_337_092.27, "date": "November 22, 2026 08:44:52 UTC", "serial": 2,
            "data": {"channel": "global", "event": "message", "data": "{\"text\":\"hello\"}"},
        }))
    }
}

list_shape! {
    /// Events in an answer.
    EventList as "EventList", "events", EventShape, "Stored events."
}

/// The routes of events.
pub(super) struct EventRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Events")]
impl EventRoutes {
    /// Publish an event
    ///
    /// Publishes to one or more channels. Responds once the event is stored (unless `persist` is false) and queued for the
    /// subscribers. After a 503 the event may be stored: retrying with the same `Idempotency-Key` is safe.
    #[oai(path = "/events", method = "post", operation_id = "publishEvent")]
    async fn publish(
        &self,
        session: SessionCaller,
        /// A key unique to this publish, valid for 24 hours. A retry with the same key stores nothing and gets the same response.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonText<PublicationShape>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let Publication {
            channels,
            payload,
            persist,
        } = Publication::read(&body.text, &self.0.service.rules().limits)?;
        let publishing = Publishing {
            channels,
            payload,
            persist,
            idempotency_key: key.0,
        };
        self.0.service.publish(&session.app, publishing).await?;
        Ok(done())
    }

    /// List stored events
    ///
    /// Returns the newest events of the app, newest first. `channel` selects one channel; `since` selects the events after a serial of
    /// that channel, oldest first. With the token of a user, `channel` must be one that its claim `channels` covers, or the user's
    /// personal channel.
    #[oai(path = "/events", method = "get", operation_id = "listEvents")]
    async fn list(
        &self,
        caller: UserOrSession,
        /// Maximum number of events, up to the server's limit (`PUSHI_MAX_HISTORY`). Default: 10.
        count: Query<Option<Param<Whole>>>,
        /// Only events of this channel. Empty: all channels.
        channel: Query<Option<Param<AnyChannel>>>,
        /// Only events after this serial of `channel` (default: `global`), oldest first.
        since: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<EventList>, Problem> {
        let service = &self.0.service;
        let app = &caller.app().ident;
        let count = count.0.map_or(COUNT, |count| count.0);
        let channel = channel
            .0
            .map(|channel| channel.0)
            .filter(|channel| !channel.is_empty());
        let channel = channel
            .map(|channel| read_channel(&channel, &service.rules().limits))
            .transpose()?;
        if let Some(grant) = caller.grant() {
            let channel = channel.as_ref().ok_or(TokenAccessError::NoChannel)?;
            grant.check_channel(channel)?;
        }
        let query = match (channel, since.0) {
            (None, None) => EventQuery::Recent { before: None },
            (Some(channel), None) => match channel.personal_user() {
                Some(user) => EventQuery::Inbox { user, skip: 0 },
                None => EventQuery::Before {
                    channel,
                    before: None,
                },
            },
            (channel, Some(since)) => EventQuery::After {
                // A serial belongs to a channel; the default is that of a publish without a channel.
                channel: channel.unwrap_or_else(|| ChannelName::trusted(DEFAULT_CHANNEL)),
                after: since.0,
                upto: i64::MAX as u64,
            },
        };
        event_list(service, app, query, count).await
    }
}

/// The events of a query, at most `count`, read page by page.
pub(super) async fn event_list(
    service: &Arc<Service>,
    app: &AppIdent,
    query: EventQuery,
    count: u64,
) -> Result<JsonAnswer<EventList>, Problem> {
    let cursor = EventCursor {
        service: Arc::clone(service),
        app: app.clone(),
        query,
        left: service.history_count(count) as u64,
        oldest: u64::MAX,
    };
    let pages = list::pages(cursor, EventCursor::read);
    let body = list::body(None, "{\"events\":[", pages, "]}").await?;
    Ok(JsonAnswer::with_body(body))
}

/// The next page of a list of events.
struct EventCursor {
    service: Arc<Service>,
    app: AppIdent,
    query: EventQuery,
    /// The events that are left of the list's number.
    left: u64,
    /// The lowest id of a page of an inbox, where a new event moves the older ones.
    oldest: u64,
}

impl EventCursor {
    async fn read(mut self) -> Result<(ListPage, Self), Problem> {
        let reader = AnswerReader {
            address: None,
            dialect: None,
            bytes: PAGE_BYTES,
            acquired: false,
        };
        let page = self
            .service
            .events(&self.app, &self.query, self.left, reader)
            .await?;
        self.left = self.left.saturating_sub(page.events.len() as u64);
        let is_last = !page.more || self.left == 0;
        let is_inbox = matches!(self.query, EventQuery::Inbox { .. });
        let shown = page
            .events
            .iter()
            .filter(|event| !is_inbox || event.position.id < self.oldest);
        let list = ListPage::new(shown.map(history_json), is_last).with_permit(page.permit);
        if let Some(last) = page.events.last() {
            let Position { id, serial } = last.position;
            self.oldest = id;
            match &mut self.query {
                EventQuery::Before { before, .. } => *before = Some(serial),
                EventQuery::After { after, .. } => *after = serial,
                EventQuery::Inbox { skip, .. } => *skip += page.events.len(),
                EventQuery::Recent { before } => *before = Some(id),
            }
        }
        Ok((list, self))
    }
}
