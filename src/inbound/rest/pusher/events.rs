//! Publishing.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value, json};

use super::super::RestContext;
use super::super::answer::JsonAnswer;
use super::super::params::{Ident, Param};
use super::super::problem::Problem;
use super::super::schema::{example, inline, plain, shape, whole};
use super::super::tags::Section;
use super::NOTHING;
use super::info::Info;
use super::message::{BatchShape, Message, MessageShape};
use super::signed::SignedJson;
use crate::core::model::{App, ChannelName};

shape! {
    /// The counts of a channel, in the document.
    CountsShape as "PusherCounts" = |_| {
        let properties = vec![
            ("user_count", inline(whole("Number of different users; only of presence channels.", 0.0))),
            ("subscription_count", inline(whole("Number of subscribed connections.", 0.0))),
        ];
        MetaSchema { properties, ..plain("object", "The requested attributes of a channel.") }
    }
}

shape! {
    /// Schema: the channel attributes returned for an event.
    PublishedShape as "PusherPublished" = |registry| {
        CountsShape::register(registry);
        let further = Some(Box::new(CountsShape::schema_ref()));
        let channels = MetaSchema { additional_properties: further, ..plain("object", "The attributes of each channel, by its name; absent without `info`.") };
        let schema = MetaSchema { properties: vec![("channels", inline(channels))], ..plain("object", "The event was published.") };
        example(schema, json!({"channels": {"presence-room": {"user_count": 42}}}))
    }
}

shape! {
    /// Schema: the answer to a batch.
    BatchedShape as "PusherBatched" = |registry| {
        CountsShape::register(registry);
        let items = Some(Box::new(CountsShape::schema_ref()));
        let batch = MetaSchema { items, ..plain("array", "The attributes of the channel of each event, in order; absent if no event has `info`.") };
        MetaSchema { properties: vec![("batch", inline(batch))], ..plain("object", "The events were published.") }
    }
}

/// The routes that publish.
pub(crate) struct PusherEventRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Pusher")]
impl PusherEventRoutes {
    /// Publish an event to channels
    ///
    /// Sends the event to all subscribers except `socket_id`. It is stored if the app's `replay` covers the channel.
    #[oai(
        path = "/apps/:app_id/events",
        method = "post",
        operation_id = "pusherTrigger"
    )]
    async fn trigger(
        &self,
        signed: SignedJson<MessageShape>,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<PublishedShape>, Problem> {
        let Message { trigger, info } =
            Message::one(&self.0.service, &signed.app, &signed.members)?;
        let channels = trigger.channels.clone();
        self.0.service.trigger(&signed.app, vec![trigger]).await?;
        if !info.any() {
            return Ok(JsonAnswer::text(NOTHING));
        }
        let mut shown = Map::new();
        for channel in &channels {
            shown.insert(
                channel.as_str().into(),
                self.counts(&signed.app, channel, info).await?,
            );
        }
        Ok(JsonAnswer::text(json!({ "channels": shown }).to_string()))
    }

    /// Publish several events
    ///
    /// Publishes up to ten events, in their order: all of them or, if one is invalid, none.
    #[oai(
        path = "/apps/:app_id/batch_events",
        method = "post",
        operation_id = "pusherTriggerBatch"
    )]
    async fn batch(
        &self,
        signed: SignedJson<BatchShape>,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<BatchedShape>, Problem> {
        let messages = Message::batch(&self.0.service, &signed.app, &signed.members)?;
        let asked: Vec<(Option<ChannelName>, Info)> = messages
            .iter()
            .map(|message| (message.trigger.channels.first().cloned(), message.info))
            .collect();
        self.0
            .service
            .trigger(
                &signed.app,
                messages
                    .into_iter()
                    .map(|message| message.trigger)
                    .collect(),
            )
            .await?;
        if !asked.iter().any(|(_, info)| info.any()) {
            return Ok(JsonAnswer::text(NOTHING));
        }
        let mut shown = Vec::with_capacity(asked.len());
        for (channel, info) in asked {
            shown.push(match channel.filter(|_| info.any()) {
                Some(channel) => self.counts(&signed.app, &channel, info).await?,
                None => json!({}),
            });
        }
        Ok(JsonAnswer::text(json!({ "batch": shown }).to_string()))
    }
}

impl PusherEventRoutes {
    async fn counts(&self, app: &App, channel: &ChannelName, info: Info) -> Result<Value, Problem> {
        Ok(info
            .show(
                channel,
                self.0.service.occupancy(&app.ident, channel).await?,
            )
            .into())
    }
}
