//! Occupied channels, their members and history, and test events.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};

use super::{app, limit};
use crate::core::model::ChannelKind;
use crate::core::service::{EventQuery, Publishing};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::{EmptyResult, JsonAnswer, done};
use crate::inbound::rest::body::JsonText;
use crate::inbound::rest::events::{EventList, event_list};
use crate::inbound::rest::params::{self, AnyChannel, ChannelPrefix, Ident, Param, Whole};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::publication::{Publication, PublicationShape, read_channel};
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

/// The most channels, or members, in one answer.
const MOST: usize = 1000;

/// The default number of channels.
const COUNT: usize = 100;

/// The default number of events.
const EVENTS: u64 = 20;

/// An occupied channel.
#[derive(Debug, Object)]
#[oai(rename = "OccupiedChannel")]
pub(in crate::inbound::rest) struct ShownChannel {
    /// The channel.
    pub channel: String,
    /// `public`, `private`, `presence`, `personal`, `peer` or `user`.
    pub kind: String,
    /// Number of connections that are subscribed to it, on all nodes.
    pub subscriptions: u64,
    /// Number of users that are present; 0 unless it is a presence channel.
    pub users: u64,
}

/// A page of occupied channels.
#[derive(Debug, Object)]
#[oai(rename = "OccupiedChannels")]
pub(in crate::inbound::rest) struct ShownChannels {
    /// The channels, ordered by name.
    pub channels: Vec<ShownChannel>,
    /// Whether others follow.
    pub more: bool,
}

/// A member of a presence channel.
#[derive(Debug, Object)]
#[oai(rename = "ChannelMember")]
pub(in crate::inbound::rest) struct ShownMember {
    /// The id of the user.
    pub user_id: String,
    /// The data of the user, as JSON text; empty if there is none.
    pub data: String,
}

/// The members of a presence channel.
#[derive(Debug, Object)]
#[oai(rename = "ChannelMembers")]
pub(in crate::inbound::rest) struct ShownMembers {
    /// The members, in the order in which they joined.
    pub members: Vec<ShownMember>,
    /// Whether there are others.
    pub more: bool,
}

fn kind_name(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Public => "public",
        ChannelKind::Private => "private",
        ChannelKind::Presence => "presence",
        ChannelKind::Personal => "personal",
        ChannelKind::Peer => "peer",
        ChannelKind::User => "user",
    }
}

/// The routes of an app's channels.
pub(in crate::inbound::rest) struct ConsoleChannelRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl ConsoleChannelRoutes {
    /// List occupied channels
    ///
    /// Returns a page of the channels with subscriptions, on all nodes. Any app with the administrator's token, and the session's own app
    /// with a session token.
    #[oai(
        path = "/apps/:ident/occupied_channels",
        method = "get",
        operation_id = "listOccupiedChannels"
    )]
    async fn list(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only channels whose names begin with this text. Empty: all channels.
        prefix: Query<Option<Param<ChannelPrefix>>>,
        /// Maximum number of channels, up to 1000. Default: 100.
        count: Query<Option<Param<Whole>>>,
        /// Only channels after this one: the last `channel` of the previous page.
        after: Query<Option<Param<AnyChannel>>>,
    ) -> Result<JsonAnswer<ShownChannels>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let prefix = prefix.0.map(|prefix| prefix.0).unwrap_or_default();
        let count = limit(count.0, COUNT, MOST);
        let after = after.0.map(|after| after.0);
        let after = after.filter(|after| !after.is_empty());
        let after = after
            .map(|after| read_channel(&after, &service.rules().limits))
            .transpose()?;
        let found = service.channels(&app.ident, &prefix, after.as_ref(), count + 1);
        let mut found = found.await?;
        let more = found.len() > count;
        found.truncate(count);
        let shown = found.into_iter().map(|one| ShownChannel {
            channel: one.channel.as_str().into(),
            kind: kind_name(one.channel.kind()).into(),
            subscriptions: one.occupancy.subscriptions,
            users: one.occupancy.users,
        });
        Ok(JsonAnswer::of(&ShownChannels {
            channels: shown.collect(),
            more,
        }))
    }

    /// List the members of a presence channel
    ///
    /// Returns the first 1000 members, in the order in which they joined. Any app with the administrator's token, and the session's own app
    /// with a session token.
    #[oai(
        path = "/apps/:ident/members",
        method = "get",
        operation_id = "listChannelMembers"
    )]
    async fn members(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// The presence channel.
        channel: Query<Param<params::Channel>>,
    ) -> Result<JsonAnswer<ShownMembers>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let channel = read_channel(&channel.0.0, &service.rules().limits)?;
        if channel.kind() != ChannelKind::Presence {
            return Ok(JsonAnswer::of(&ShownMembers {
                members: Vec::new(),
                more: false,
            }));
        }
        let members = service.present(&app.ident, &channel).await?;
        let shown = members.iter().take(MOST).map(|member| ShownMember {
            user_id: member.user_id.as_str().into(),
            data: member.data.as_ref().into(),
        });
        Ok(JsonAnswer::of(&ShownMembers {
            members: shown.collect(),
            more: members.len() > MOST,
        }))
    }

    /// List the history of an app
    ///
    /// Returns a page of the stored events of a channel, or of all channels, newest first. Any app with the administrator's token, and the
    /// session's own app with a session token.
    #[oai(
        path = "/apps/:ident/history",
        method = "get",
        operation_id = "listHistory"
    )]
    async fn history(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only events of this channel; of a personal channel, the user's inbox. Empty: all channels.
        channel: Query<Option<Param<AnyChannel>>>,
        /// Only events before this one: of a channel the last `serial` of the previous page, of all channels the last `id`; of a personal
        /// channel the number of newer events.
        before: Query<Option<Param<Whole>>>,
        /// Maximum number of events, up to the server's limit (`PUSHI_MAX_HISTORY`). Default: 20.
        count: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<EventList>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let before = before.0.map(|before| before.0);
        let channel = channel.0.map(|channel| channel.0);
        let channel = channel.filter(|channel| !channel.is_empty());
        let channel = channel
            .map(|channel| read_channel(&channel, &service.rules().limits))
            .transpose()?;
        let query = match channel.map(|channel| (channel.personal_user(), channel)) {
            None => EventQuery::Recent { before },
            Some((None, channel)) => EventQuery::Before { channel, before },
            Some((Some(user), _)) => EventQuery::Inbox {
                user,
                skip: usize::try_from(before.unwrap_or(0).min(MOST_SKIPPED)).unwrap_or(0),
            },
        };
        let count = count.0.map_or(EVENTS, |count| count.0);
        event_list(service, &app.ident, query, count).await
    }

    /// Publish an event to an app
    ///
    /// Publishes as `POST /events` does. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/publish",
        method = "post",
        operation_id = "publishToApp"
    )]
    async fn publish(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        body: JsonText<PublicationShape>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let publication = Publication::read(&body.text, &service.rules().limits)?;
        let publishing = Publishing {
            channels: publication.channels,
            payload: publication.payload,
            persist: publication.persist,
            idempotency_key: None,
        };
        service.publish(&app, publishing).await?;
        Ok(done())
    }
}

/// The deepest page of an inbox.
const MOST_SKIPPED: u64 = 1_000_000;
