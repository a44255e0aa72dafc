//! Apple devices as notification targets.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::json;

use super::dto::{self, OwnMembers};
use super::{Listed, Targets};
use crate::core::model::{DeviceToken, NewTarget, Secret, TargetKind};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::params::{
    AnyChannel, AnyToken, Channel, Param, TargetAuth, Token, Whole, YesNo,
};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{inline, list_shape, name, shape};
use crate::inbound::rest::security::SessionCaller;
use crate::inbound::rest::tags::Section;

fn token(about: &'static str) -> OwnMembers {
    vec![("token", inline(name(about, 1, 200)))]
}

shape! {
    /// The record of an Apple device.
    ApnTargetShape as "ApnTarget" = |_| dto::record_schema(
        token("The device token."),
        "The registration of an Apple device for the events of a channel.",
        json!({"token": "a1".repeat(32)}),
    )
}

shape! {
    /// The answer to the end of one registration of an Apple device.
    EndedApnTarget as "EndedApnTarget" = |_| dto::ended_schema(token("The device token."))
}

shape! {
    /// Schema: an Apple device and a channel.
    ApnTargetRequest as "ApnTargetWish" = |_| dto::request_schema(
        token("The device token: 64 to 200 hexadecimal digits."),
        "An Apple device and a channel.",
        json!({"token": "a1".repeat(32), "event": "news"}),
    )
}

list_shape! {
    /// A list of Apple devices.
    ApnTargetList as "ApnTargetList", "subscriptions", ApnTargetShape, "Apple devices, in the order of their registration."
}

/// The routes of Apple devices.
pub(in super::super) struct ApnTargetRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Notifications")]
impl ApnTargetRoutes {
    /// Register an Apple device for the events of a channel
    ///
    /// The server sends each event of the channel over Apple's push service, and each event of the channels that a user is subscribed to
    /// if the channel is `personal-<user>`: the member `apn` of the publish, else `push`, else `data`.
    /// If it is registered already, the registration is returned unchanged. A channel with the prefix `private-`, `presence-`,
    /// `peer-` or `personal-` requires `auth`.
    #[oai(path = "/apns", method = "post", operation_id = "createApnTarget")]
    async fn create(
        &self,
        session: SessionCaller,
        /// `<app_key>:<hex>`, HMAC-SHA256 of `<token>:<channel>` with the app's secret; for closed channels.
        auth: Query<Option<Param<TargetAuth>>>,
        /// Whether the other registrations of the device are removed. 0 and 1 are accepted as false and true.
        unsubscribe: Query<Option<Param<YesNo>>>,
        body: Fields<ApnTargetRequest>,
    ) -> Result<JsonAnswer<ApnTargetShape>, Problem> {
        let targets = self.targets();
        let token = body.required("token", false)?;
        DeviceToken::check(&token)
            .map_err(|error| Problem::bad_request(format!("token {error}")))?;
        let channel = targets.channel(&body.required("event", false)?)?;
        let target = NewTarget {
            kind: TargetKind::Apn,
            away: targets.away(&body, &channel)?,
            digest: targets.digest(&body)?,
            channel,
            address: Secret::new(token),
            p256dh: None,
            auth: None,
        };
        let record = targets
            .create(&session.0, target, auth.0, unsubscribe.0)
            .await?;
        Ok(JsonAnswer::text(record))
    }

    /// List Apple devices
    ///
    /// Returns a page of the Apple devices of the session's app, in the order of their registration.
    #[oai(path = "/apns", method = "get", operation_id = "listApnTargets")]
    async fn list(
        &self,
        session: SessionCaller,
        /// Only registrations of this device. Empty: all devices.
        token: Query<Option<Param<AnyToken>>>,
        /// Only registrations for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only registrations with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<ApnTargetList>, Problem> {
        let listed = Listed {
            address: token.0.map(|token| token.0),
            event: event.0.map(|event| event.0),
            count: count.0,
            after: after.0,
        };
        let body = self.targets().list(&session.0, listed).await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// End the registration of an Apple device for a channel
    ///
    /// Returns the registration, or `{"result":"success"}` if there was none.
    #[oai(
        path = "/apns/:token/:event",
        method = "delete",
        operation_id = "deleteApnTarget"
    )]
    async fn delete(
        &self,
        session: SessionCaller,
        /// The device.
        token: Path<Param<Token>>,
        /// The channel.
        event: Path<Param<Channel>>,
        /// Whether a missing registration is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedApnTarget>, Problem> {
        let ended = self
            .targets()
            .delete_one(&session.0, &token.0.0, &event.0.0, force.0)
            .await?;
        Ok(JsonAnswer::text(ended))
    }

    /// End all registrations of an Apple device
    ///
    /// Returns the registrations.
    #[oai(
        path = "/apns/:token",
        method = "delete",
        operation_id = "deleteApnTargets"
    )]
    async fn delete_all(
        &self,
        session: SessionCaller,
        /// The device.
        token: Path<Param<Token>>,
    ) -> Result<JsonAnswer<ApnTargetList>, Problem> {
        let ended = self.targets().delete_all(&session.0, &token.0.0).await?;
        Ok(JsonAnswer::text(ended))
    }
}

impl ApnTargetRoutes {
    fn targets(&self) -> Targets<'_> {
        Targets {
            rest: &self.0,
            kind: TargetKind::Apn,
        }
    }
}
