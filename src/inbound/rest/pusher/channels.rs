//! Which channels are occupied, and by how many.

use std::future::ready;
use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value, json};

use super::super::RestContext;
use super::super::answer::JsonAnswer;
use super::super::list::{self, ListPage};
use super::super::params::{Accepts, Ident, Param};
use super::super::problem::Problem;
use super::super::schema::{example, inline, name, plain, shape, whole};
use super::super::tags::Section;
use super::info::{Counts, Everything};
use super::signed::Signed;
use super::{CHANNEL, not_presence, read_channel};
use crate::core::model::{ChannelKind, ChannelName};

/// Channels or users that are shown at once.
const PAGE: usize = 1000;

shape! {
    /// Schema: the last event of a cache channel.
    CachedEventShape as "PusherCachedEvent" = |_| MetaSchema {
        required: vec!["data", "ttl"],
        properties: vec![
            ("data", inline(plain("string", "The payload."))),
            ("ttl", inline(whole("Seconds until the event expires.", 0.0))),
        ],
        ..plain("object", "The last event of a cache channel; absent if there is none.")
    }
}

shape! {
    /// Schema: a member of a presence channel.
    UserShape as "PusherUser" = |_| MetaSchema {
        required: vec!["id"],
        properties: vec![("id", inline(plain("string", "The id of the user.")))],
        ..plain("object", "A user on a presence channel.")
    }
}

shape! {
    /// Schema: the attributes of a channel.
    ChannelShape as "PusherChannel" = |registry| {
        CachedEventShape::register(registry);
        let schema = MetaSchema {
            required: vec!["occupied"],
            properties: vec![
                ("occupied", inline(plain("boolean", "Whether the channel has subscribers."))),
                ("user_count", inline(whole("Number of different users on the channel.", 0.0))),
                ("subscription_count", inline(whole("Number of subscribed connections.", 0.0))),
                ("cache", CachedEventShape::schema_ref()),
            ],
            ..plain("object", "A channel with the requested attributes.")
        };
        example(schema, json!({"occupied": true, "subscription_count": 42}))
    }
}

shape! {
    /// Occupied channels, in the document.
    ChannelsShape as "PusherChannels" = |registry| {
        super::events::CountsShape::register(registry);
        let further = Some(Box::new(super::events::CountsShape::schema_ref()));
        let channels = MetaSchema { additional_properties: further, ..plain("object", "The attributes of each channel, by its name.") };
        let schema = MetaSchema {
            required: vec!["channels"],
            properties: vec![("channels", inline(channels))],
            ..plain("object", "The occupied channels.")
        };
        example(schema, json!({"channels": {"presence-room": {"user_count": 42}}}))
    }
}

shape! {
    /// The users on a channel, in the document.
    UsersShape as "PusherUsers" = |registry| {
        UserShape::register(registry);
        let users = MetaSchema { items: Some(Box::new(UserShape::schema_ref())), ..plain("array", "The users, in the order in which they joined.") };
        MetaSchema { required: vec!["users"], properties: vec![("users", inline(users))], ..plain("object", "The users on a presence channel.") }
    }
}

/// A channel's name in the path.
enum Named {}

impl Accepts for Named {
    type Value = String;

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            pattern: Some(CHANNEL.into()),
            ..name("", 1, 200)
        };
        example(schema, "presence-room")
    }

    fn read(text: &str) -> Result<String, &'static str> {
        Ok(text.into())
    }
}

/// A presence channel's name in the path.
enum Presence {}

impl Accepts for Presence {
    type Value = String;

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            pattern: Some("^presence-[A-Za-z0-9_=@,.;-]*$".into()),
            ..name("", 9, 200)
        };
        example(schema, "presence-room")
    }

    fn read(text: &str) -> Result<String, &'static str> {
        Ok(text.into())
    }
}

/// The beginning of names.
enum Prefix {}

impl Accepts for Prefix {
    type Value = String;

    fn schema() -> MetaSchema {
        example(plain("string", ""), "presence-")
    }

    fn read(text: &str) -> Result<String, &'static str> {
        Ok(text.into())
    }
}

/// The routes of channels.
pub(crate) struct PusherChannelRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Pusher")]
impl PusherChannelRoutes {
    /// List occupied channels
    ///
    /// Returns the channels that have subscribers, with the requested attributes.
    #[oai(
        path = "/apps/:app_id/channels",
        method = "get",
        operation_id = "pusherListChannels"
    )]
    async fn list(
        &self,
        signed: Signed,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
        /// Only channels whose names begin with this prefix.
        filter_by_prefix: Query<Option<Param<Prefix>>>,
        /// Attributes to return: `user_count` (only with a `filter_by_prefix` of `presence-…`), `subscription_count`.
        info: Query<Option<Param<Counts>>>,
    ) -> Result<JsonAnswer<ChannelsShape>, Problem> {
        let info = info.0.map(|info| info.0).unwrap_or_default();
        let prefix = filter_by_prefix
            .0
            .map(|prefix| prefix.0)
            .unwrap_or_default();
        if info.users && !prefix.starts_with("presence-") {
            return Err(not_presence("user_count"));
        }
        let (service, app) = (Arc::clone(&self.0.service), signed.app.ident.clone());
        let pages = list::pages(None, move |after: Option<ChannelName>| {
            let (service, app, prefix) = (Arc::clone(&service), app.clone(), prefix.clone());
            async move {
                let page = service
                    .channels(&app, &prefix, after.as_ref(), PAGE)
                    .await?;
                let is_last = page.len() < PAGE;
                // A user's own channel (`#server-to-user-…`) is not listed.
                let items = page
                    .iter()
                    .filter(|found| found.channel.kind() != ChannelKind::User)
                    .map(|found| {
                        let name = Value::from(found.channel.as_str());
                        let shown = Value::from(info.show(&found.channel, found.occupancy));
                        format!("{name}:{shown}")
                    });
                let list = ListPage::new(items, is_last);
                Ok((list, page.last().map(|last| last.channel.clone())))
            }
        });
        let owner = Some((&*self.0.service, &signed.app.ident));
        let body = list::body(owner, "{\"channels\":{", pages, "}}").await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// Get a channel
    ///
    /// Returns whether the channel is occupied, with the requested attributes.
    #[oai(
        path = "/apps/:app_id/channels/:channel",
        method = "get",
        operation_id = "pusherGetChannel"
    )]
    async fn get(
        &self,
        signed: Signed,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
        /// The channel.
        channel: Path<Param<Named>>,
        /// Attributes to return: `user_count` (presence channels), `subscription_count`, `cache` (the last event of a cache channel).
        info: Query<Option<Param<Everything>>>,
    ) -> Result<JsonAnswer<ChannelShape>, Problem> {
        let service = &self.0.service;
        let channel = read_channel(&channel.0.0, &service.rules().limits)?;
        let info = info.0.map(|info| info.0).unwrap_or_default();
        if info.users && channel.kind() != ChannelKind::Presence {
            return Err(not_presence("user_count"));
        }
        let app = &signed.app.ident;
        let occupancy = service.occupancy(app, &channel).await?;
        let mut shown = Map::new();
        shown.insert("occupied".into(), (occupancy.subscriptions > 0).into());
        shown.extend(info.show(&channel, occupancy));
        if info.cache
            && channel.is_cache()
            && let Some((event, ttl)) = service.last_event(app, &channel).await?
        {
            shown.insert("cache".into(), json!({ "data": &*event.data, "ttl": ttl }));
        }
        Ok(JsonAnswer::text(Value::from(shown).to_string()))
    }

    /// List the users on a presence channel
    ///
    /// Returns every user once, in the order in which they joined.
    #[oai(
        path = "/apps/:app_id/channels/:channel/users",
        method = "get",
        operation_id = "pusherListUsers"
    )]
    async fn users(
        &self,
        signed: Signed,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
        /// The presence channel.
        channel: Path<Param<Presence>>,
    ) -> Result<JsonAnswer<UsersShape>, Problem> {
        let channel = read_channel(&channel.0.0, &self.0.service.rules().limits)?;
        if channel.kind() != ChannelKind::Presence {
            return Err(not_presence("the list of users"));
        }
        let members = self.0.service.present(&signed.app.ident, &channel).await?;
        let pages = list::pages(0, move |shown| {
            let users = members.iter().skip(shown).take(PAGE);
            let items = users.map(|member| json!({ "id": member.user_id.as_str() }).to_string());
            let shown = shown + PAGE;
            ready(Ok((ListPage::new(items, shown >= members.len()), shown)))
        });
        let owner = Some((&*self.0.service, &signed.app.ident));
        let body = list::body(owner, "{\"users\":[", pages, "]}").await?;
        Ok(JsonAnswer::with_body(body))
    }
}
