//! E-mail addresses as notification targets.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::dto::{self, OwnMembers};
use super::{Listed, Targets};
use crate::core::model::{EmailAddress, NewTarget, Secret, TargetKind};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::params::{
    AnyChannel, AnyEmail, Channel, Email, Param, TargetAuth, Whole, YesNo,
};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{inline, list_shape, name, plain, shape};
use crate::inbound::rest::security::SessionCaller;
use crate::inbound::rest::tags::Section;

fn email(about: &'static str) -> OwnMembers {
    vec![("email", inline(name(about, 1, 254)))]
}

/// From one second to one day.
const WINDOW: &str = "^(([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)s?|([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|([1-9]|1[0-9]|2[0-4])h|1d)$";

/// Adds the window of digests, which need not be there.
fn with_digest(mut schema: MetaSchema, nullable: bool, about: &'static str) -> MetaSchema {
    let digest = MetaSchema {
        nullable,
        pattern: Some(WINDOW.into()),
        ..plain("string", about)
    };
    schema.properties.push(("digest", inline(digest)));
    schema
}

const COLLECTED: &str =
    "For how long events are collected for one mail; absent where each has its own.";

shape! {
    /// The record of an e-mail address.
    EmailTargetShape as "EmailTarget" = |_| {
        let about = "The registration of an e-mail address for the events of a channel.";
        let schema = dto::record_schema(email("The address."), about, json!({"email": "ann@shop.example"}));
        with_digest(schema, false, COLLECTED)
    }
}

shape! {
    /// The answer to the end of one registration of an e-mail address.
    EndedEmailTarget as "EndedEmailTarget" = |_| with_digest(dto::ended_schema(email("The address.")), false, COLLECTED)
}

shape! {
    /// Schema: an e-mail address and a channel.
    EmailTargetRequest as "EmailTargetWish" = |_| {
        let own = email("The address that receives the events, such as `ann@shop.example`, without a display name.");
        let like = json!({"email": "ann@shop.example", "event": "news"});
        let schema = dto::request_schema(own, "An e-mail address and a channel.", like);
        let about = "For how long events are collected for one mail, from 1s to 24h, such as `15m`. Not set: each event has its own mail.";
        with_digest(schema, true, about)
    }
}

list_shape! {
    /// A list of e-mail addresses.
    EmailTargetList as "EmailTargetList", "subscriptions", EmailTargetShape, "E-mail addresses, in the order of their registration."
}

/// The routes of e-mail addresses.
pub(in super::super) struct EmailTargetRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Notifications")]
impl EmailTargetRoutes {
    /// Register an e-mail address for the events of a channel
    ///
    /// The server sends an e-mail about each event of the channel, and about each event of the channels that a user is subscribed to if
    /// the channel is `personal-<user>`: with the members `subject`, `body` and `html` of the publish, or a description of the event.
    /// With `digest`, the events of that time, counted from the first one, are listed in one mail: that of all registrations of the
    /// address with the same `digest`. With `digest` and `"when": "away"`, it lists those that the user had not received when their
    /// `delay` was over. If it is registered already, the registration is returned, with `digest` and `when` as given. A channel with
    /// the prefix `private-`, `presence-`, `peer-` or `personal-` requires `auth`.
    #[oai(path = "/smtps", method = "post", operation_id = "createEmailTarget")]
    async fn create(
        &self,
        session: SessionCaller,
        /// `<app_key>:<hex>`, HMAC-SHA256 of `<email>:<channel>` with the app's secret; for closed channels.
        auth: Query<Option<Param<TargetAuth>>>,
        /// Whether the other registrations of the address are removed. 0 and 1 are accepted as false and true.
        unsubscribe: Query<Option<Param<YesNo>>>,
        body: Fields<EmailTargetRequest>,
    ) -> Result<JsonAnswer<EmailTargetShape>, Problem> {
        let targets = self.targets();
        let email = body.required("email", false)?;
        EmailAddress::parse(&email)
            .map_err(|error| Problem::bad_request(format!("email {error}")))?;
        let channel = targets.channel(&body.required("event", false)?)?;
        let target = NewTarget {
            kind: TargetKind::Smtp,
            away: targets.away(&body, &channel)?,
            digest: targets.digest(&body)?,
            channel,
            address: Secret::new(email),
            p256dh: None,
            auth: None,
        };
        let record = targets
            .create(&session.0, target, auth.0, unsubscribe.0)
            .await?;
        Ok(JsonAnswer::text(record))
    }

    /// List e-mail addresses
    ///
    /// Returns a page of the e-mail addresses of the session's app, in the order of their registration.
    #[oai(path = "/smtps", method = "get", operation_id = "listEmailTargets")]
    async fn list(
        &self,
        session: SessionCaller,
        /// Only registrations of this address. Empty: all addresses.
        email: Query<Option<Param<AnyEmail>>>,
        /// Only registrations for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only registrations with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<EmailTargetList>, Problem> {
        let listed = Listed {
            address: email.0.map(|email| email.0),
            event: event.0.map(|event| event.0),
            count: count.0,
            after: after.0,
        };
        let body = self.targets().list(&session.0, listed).await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// End the registration of an e-mail address for a channel
    ///
    /// Returns the registration, or `{"result":"success"}` if there was none.
    #[oai(
        path = "/smtps/:email/:event",
        method = "delete",
        operation_id = "deleteEmailTarget"
    )]
    async fn delete(
        &self,
        session: SessionCaller,
        /// The address.
        email: Path<Param<Email>>,
        /// The channel.
        event: Path<Param<Channel>>,
        /// Whether a missing registration is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedEmailTarget>, Problem> {
        let ended = self
            .targets()
            .delete_one(&session.0, &email.0.0, &event.0.0, force.0)
            .await?;
        Ok(JsonAnswer::text(ended))
    }

    /// End all registrations of an e-mail address
    ///
    /// Returns the registrations.
    #[oai(
        path = "/smtps/:email",
        method = "delete",
        operation_id = "deleteEmailTargets"
    )]
    async fn delete_all(
        &self,
        session: SessionCaller,
        /// The address.
        email: Path<Param<Email>>,
    ) -> Result<JsonAnswer<EmailTargetList>, Problem> {
        let ended = self.targets().delete_all(&session.0, &email.0.0).await?;
        Ok(JsonAnswer::text(ended))
    }
}

impl EmailTargetRoutes {
    fn targets(&self) -> Targets<'_> {
        Targets {
            rest: &self.0,
            kind: TargetKind::Smtp,
        }
    }
}
