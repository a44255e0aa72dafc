//! Web hooks as notification targets.

use std::net::IpAddr;
use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use url::Url;

use super::dto::{EndedWebTarget, EndedWebTargets, WebTargetRequest, WebTargetShape};
use super::{Listed, Targets};
use crate::core::model::{NewTarget, Secret, TargetKind};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::params::{
    AnyChannel, AnyWebUrl, Channel, Param, TargetAuth, WebUrl, Whole, YesNo,
};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::list_shape;
use crate::inbound::rest::security::SessionCaller;
use crate::inbound::rest::settings::is_web_address;
use crate::inbound::rest::tags::Section;

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
        self.check_url(&url)?;
        let target = NewTarget {
            kind: TargetKind::Web,
            channel: targets.channel(&body.required("event", false)?)?,
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
        path = "/webs/:url/:event",
        method = "delete",
        operation_id = "deleteWebTarget"
    )]
    async fn delete(
        &self,
        session: SessionCaller,
        /// The address.
        url: Path<Param<WebUrl>>,
        /// The channel.
        event: Path<Param<Channel>>,
        /// Whether a missing registration is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedWebTarget>, Problem> {
        let ended = self
            .targets()
            .delete_one(&session.0, &url.0.0, &event.0.0, force.0)
            .await?;
        Ok(JsonAnswer::text(ended))
    }

    /// End all registrations of a web hook
    ///
    /// Returns the registrations. The address in the path is percent-encoded.
    #[oai(
        path = "/webs/:url",
        method = "delete",
        operation_id = "deleteWebTargets"
    )]
    async fn delete_all(
        &self,
        session: SessionCaller,
        /// The address.
        url: Path<Param<WebUrl>>,
    ) -> Result<JsonAnswer<WebTargetList>, Problem> {
        let ended = self.targets().delete_all(&session.0, &url.0.0).await?;
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

    fn check_url(&self, url: &str) -> Result<(), Problem> {
        let parsed = Url::parse(url).ok().filter(|_| is_web_address(url));
        let Some(parsed) = parsed else {
            return Err(Problem::bad_request(
                "url must be an http:// or https:// address without credentials and spaces",
            ));
        };
        let host = parsed.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().ok();
        match (address, self.0.rules.is_public) {
            (Some(address), Some(is_public)) if !is_public(address) => Err(Problem::bad_request(
                "url is in a private network; PUSHI_WEBHOOK_ALLOW_PRIVATE=1 allows it",
            )),
            _ => Ok(()),
        }
    }
}
