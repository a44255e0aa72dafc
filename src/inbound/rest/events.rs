//! Publishing and history.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::RestContext;
use super::answer::{EmptyResult, JsonAnswer, done};
use super::body::JsonText;
use super::list::{self, ListPage};
use super::params::{AnyChannel, IdempotencyKey, Param, Whole};
use super::problem::Problem;
use super::publication::{DEFAULT_CHANNEL, Publication, PublicationShape, read_channel};
use super::schema::{example, inline, list_shape, number, open, plain, shape, whole};
use super::security::SessionCaller;
use super::tags::Section;
use crate::core::model::{AppIdent, ChannelName, Position};
use crate::core::service::{AnswerReader, EventQuery, Publishing, Service};
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
                ("event", inline(plain("string", "The event's name."))),
                ("data", inline(plain("string", "Its data; JSON where the publisher gave something other than a string."))),
            ],
            additional_properties: open(),
            ..plain("object", "What was published, with the further members that the publisher gave.")
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
            ("id", inline(whole("A number unique in the app; it grows with `serial` within a channel.", 1.0))),
            ("instance", text("The app's `ident`.")),
            ("mid", text("Unique to the event.")),
            ("channel", text("The channel.")),
            ("owner_id", inline(MetaSchema { nullable: true, ..plain("string", "The socket that published it; null: a back end.") })),
            ("timestamp", inline(number("When it was accepted, in seconds since 1970."))),
            ("date", text("The same for people.")),
            ("serial", inline(whole("Contiguous from 1 in the channel.", 1.0))),
            ("publish", text("Shared by the copies of one publish to several channels; not there where it went to one.")),
            ("data", ContentShape::schema_ref()),
        ];
        let required = properties.iter().map(|(name, _)| *name).filter(|name| *name != "publish").collect();
        let schema = MetaSchema { required, properties, ..plain("object", "A stored event.") };
        example(schema, json!({
            "id": 2, "instance": "8f14e45fceea167a", "mid": "ddc1f09be2a94ea8b8a4f2f8d6f5a301", "channel": "global", "owner_id": null,
            "timestamp": 1_795_337_092.27, "date": "November 22, 2026 08:44:52 UTC", "serial": 2,
            "data": {"channel": "global", "event": "message", "data": "{\"text\":\"hello\"}"},
        }))
    }
}

list_shape! {
    /// Events in an answer.
    EventList as "EventList", "events", EventShape, "The events."
}

/// The routes of events.
pub(super) struct EventRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Events")]
impl EventRoutes {
    /// Publish an event
    ///
    /// To one channel or several. Answers once it is stored (unless `persist` is false) and handed to the subscribers. A 503 means:
    /// perhaps stored; the same again with the same `Idempotency-Key` is safe.
    #[oai(path = "/events", method = "post", operation_id = "publishEvent")]
    async fn publish(
        &self,
        session: SessionCaller,
        /// Your name for this publish, kept for 24 hours: the same again stores nothing twice and answers the same.
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
    /// The app's newest events, newest first. With `channel`, those of one channel. With `since` too, the events after that serial, oldest first.
    #[oai(path = "/events", method = "get", operation_id = "listEvents")]
    async fn list(
        &self,
        session: SessionCaller,
        /// Maximum number of events; default 10, at most the server's limit (`PUSHI_MAX_HISTORY`).
        count: Query<Option<Param<Whole>>>,
        /// Only events of this channel; empty: of all.
        channel: Query<Option<Param<AnyChannel>>>,
        /// Only events after this serial of `channel` (`global` where none is named), oldest first.
        since: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<EventList>, Problem> {
        let service = &self.0.service;
        let app = &session.app.ident;
        let count = count.0.map_or(COUNT, |count| count.0);
        let channel = channel
            .0
            .map(|channel| channel.0)
            .filter(|channel| !channel.is_empty());
        let channel = channel
            .map(|channel| read_channel(&channel, &service.rules().limits))
            .transpose()?;
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
        let cursor = EventCursor {
            service: Arc::clone(service),
            app: app.clone(),
            query,
            left: service.history_count(count) as u64,
            oldest: u64::MAX,
        };
        let pages = list::pages(cursor, EventCursor::read);
        let body = list::body("{\"events\":[", pages, "]}").await?;
        Ok(JsonAnswer::with_body(body))
    }
}

/// The bytes of the events of one page.
const PAGE_BYTES: usize = 64 * 1024;

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
