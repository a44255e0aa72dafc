//! Web hooks as notification targets.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::json;

use super::dto::{self, OwnMembers};
use super::{Listed, Targets};
use crate::core::model::{NewTarget, Secret, TargetKind};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::params::{
    AnyChannel, AnyWebUrl, Channel, Param, TargetAuth, WebUrl, Whole, YesNo,
};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{inline, list_shape, shape};
use crate::inbound::rest::security::SessionCaller;
use crate::inbound::rest::tags::Section;

fn url(about: &'static str) -> OwnMembers {
    vec![("url", inline(dto::web_url(about)))]
}

shape! {
    /// The record of a web hook.
    WebTargetShape as "WebTarget" = |_| dto::record_schema(
        url("The address of the receiver, `http` or `https`."),
        "The registration of a web hook for the events of a channel.",
        json!({"url": "https://shop.example/hook"}),
    )
}

shape! {
    /// The answer to the end of one registration of a web hook.
    EndedWebTarget as "EndedWebTarget" = |_| dto::ended_schema(url("The address of the receiver."))
}

shape! {
    /// The answer to the end of registrations by query parameters: that of one, or that of all.
    EndedWebTargets as "EndedWebTargets" = |registry| {
        WebTargetShape::register(registry);
        dto::ended_several_schema(url("The address of the receiver."), WebTargetShape::schema_ref())
    }
}

shape! {
    /// Schema: a web hook and a channel.
    WebTargetRequest as "WebTargetWish" = |_| dto::request_schema(
        url("The address that receives the events, `http` or `https`, at most 1500 characters after the host."),
        "A web hook and a channel.",
        json!({"url": "https://shop.example/hook", "event": "news"}),
    )
}

list_shape! {
    /// A list of web hooks.
    WebTargetList as "WebTargetList", "subscriptions", WebTargetShape, "Web hooks, in the order of their registration."
}

/// The routes of web hooks.
pub(in super::super) struct WebTargetRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Notifications")]
impl WebTargetRoutes {
    /// Register a web hook for the events of a channel
    ///
    /// The server posts each event of the channel to the address, and each event of the channels that a user is subscribed to if the
    /// channel is `personal-<user>`. If it is registered already, the registration is returned unchanged. A channel with the prefix
    /// `private-`, `presence-`, `peer-` or `personal-` requires `auth`.
    #[oai(path = "/webs", method = "post", operation_id = "createWebTarget")]
    async fn create(
        &self,
        session: SessionCaller,
        /// `<app_key>:<hex>`, HMAC-SHA256 of `<url>:<channel>` with the app's secret; for closed channels.
        auth: Query<Option<Param<TargetAuth>>>,
        /// Whether the other registrations of the address are removed. 0 and 1 are accepted as false and true.
        unsubscribe: Query<Option<Param<YesNo>>>,
        body: Fields<WebTargetRequest>,
    ) -> Result<JsonAnswer<WebTargetShape>, Problem> {
        let targets = self.targets();
        let url = body.required("url", false)?;
        targets.check_web_address("url", &url)?;
        let channel = targets.channel(&body.required("event", false)?)?;
        let target = NewTarget {
            kind: TargetKind::Web,
            away: targets.away(&body, &channel)?,
            digest: targets.digest(&body)?,
            channel,
            address: Secret::new(url),
            p256dh: None,
            auth: None,
        };
        let record = targets
            .create(&session.0, target, auth.0, unsubscribe.0)
            .await?;
        Ok(JsonAnswer::text(record))
    }

    /// List web hooks
    ///
    /// Returns a page of the web hooks of the session's app, in the order of their registration.
    #[oai(path = "/webs", method = "get", operation_id = "listWebTargets")]
    async fn list(
        &self,
        session: SessionCaller,
        /// Only registrations of this address. Empty: all addresses.
        url: Query<Option<Param<AnyWebUrl>>>,
        /// Only registrations for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only registrations with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<WebTargetList>, Problem> {
        let listed = Listed {
            address: url.0.map(|url| url.0),
            event: event.0.map(|event| event.0),
            count: count.0,
            after: after.0,
        };
        let body = self.targets().list(&session.0, listed).await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// End the registration of a web hook for a channel
    ///
    /// Returns the registration, or `{"result":"success"}` if there was none. The address in the path is percent-encoded.
    #[oai(
        path = "/webs/:address/:event",
        method = "delete",
        operation_id = "deleteWebTarget"
    )]
    async fn delete(
        &self,
        session: SessionCaller,
        /// The address.
        address: Path<Param<WebUrl>>,
        /// The channel.
        event: Path<Param<Channel>>,
        /// Whether a missing registration is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedWebTarget>, Problem> {
        let ended = self
            .targets()
            .delete_one(&session.0, &address.0.0, &event.0.0, force.0)
            .await?;
        Ok(JsonAnswer::text(ended))
    }

    /// End all registrations of a web hook
    ///
    /// Returns the registrations. The address in the path is percent-encoded.
    #[oai(
        path = "/webs/:address",
        method = "delete",
        operation_id = "deleteWebTargets"
    )]
    async fn delete_all(
        &self,
        session: SessionCaller,
        /// The address.
        address: Path<Param<WebUrl>>,
    ) -> Result<JsonAnswer<WebTargetList>, Problem> {
        let ended = self.targets().delete_all(&session.0, &address.0.0).await?;
        Ok(JsonAnswer::text(ended))
    }

    /// End registrations of a web hook with query parameters
    ///
    /// With a channel, returns the registration that has ended, or `{"result":"success"}` if there was none; without, all
    /// registrations of the address.
    #[oai(
        path = "/webs",
        method = "delete",
        operation_id = "deleteWebTargetsByQuery"
    )]
    async fn delete_by_query(
        &self,
        session: SessionCaller,
        /// The address.
        url: Query<Param<WebUrl>>,
        /// Only the registration for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Whether a missing registration of a channel is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedWebTargets>, Problem> {
        let (targets, url) = (self.targets(), &url.0.0);
        let event = event.0.map(|event| event.0);
        let ended = match event.filter(|event| !event.is_empty()) {
            None => targets.delete_all(&session.0, url).await?,
            Some(event) => targets.delete_one(&session.0, url, &event, force.0).await?,
        };
        Ok(JsonAnswer::text(ended))
    }
}

impl WebTargetRoutes {
    fn targets(&self) -> Targets<'_> {
        Targets {
            rest: &self.0,
            kind: TargetKind::Web,
        }
    }
}
