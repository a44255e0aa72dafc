//! Browsers as notification targets.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::{Value, json};

use super::dto::{self, OwnMembers};
use super::{Listed, Targets};
use crate::core::model::{BrowserKeys, NewTarget, Secret, TargetKind};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::params::{
    AnyChannel, AnyEndpoint, Endpoint, Param, TargetAuth, Whole, YesNo,
};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{inline, list_shape, plain, shape};
use crate::inbound::rest::security::SessionCaller;
use crate::inbound::rest::tags::Section;

fn browser() -> OwnMembers {
    let text = |about| inline(plain("string", about));
    let endpoint = dto::web_url(
        "The address of the browser's push service, `https`, at most 1500 characters after the host.",
    );
    vec![
        ("endpoint", inline(endpoint)),
        (
            "p256dh",
            text("The browser's public key: base64url of a point of the curve P-256."),
        ),
        (
            "auth",
            text("The browser's authentication secret: base64url of 16 bytes."),
        ),
    ]
}

fn like() -> Value {
    json!({
        "endpoint": "https://push.example/v1/4f1c",
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    })
}

shape! {
    /// The record of a browser.
    WebPushTargetShape as "WebPushTarget" = |_| dto::record_schema(
        browser(),
        "The registration of a browser for the events of a channel.",
        like(),
    )
}

shape! {
    /// The answer to the end of registrations of a browser: that of one, or that of all.
    EndedWebPushTargets as "EndedWebPushTargets" = |registry| {
        WebPushTargetShape::register(registry);
        dto::ended_several_schema(browser(), WebPushTargetShape::schema_ref())
    }
}

shape! {
    /// Schema: a browser and a channel.
    WebPushTargetRequest as "WebPushTargetWish" = |_| {
        let mut like = like();
        like["event"] = "news".into();
        dto::request_schema(browser(), "A browser, as its `PushManager` describes it, and a channel.", like)
    }
}

list_shape! {
    /// A list of browsers.
    WebPushTargetList as "WebPushTargetList", "subscriptions", WebPushTargetShape, "Browsers, in the order of their registration."
}

/// The routes of browsers.
pub(in super::super) struct WebPushTargetRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Notifications")]
impl WebPushTargetRoutes {
    /// Register a browser for the events of a channel
    ///
    /// The server encrypts each event of the channel for the browser and sends it to the browser's push service (RFC 8030, 8291, 8292),
    /// and each event of the channels that a user is subscribed to if the channel is `personal-<user>`: the member `web_push` of the
    /// publish, else `data`. If it is registered already, the registration is returned unchanged. Registrations of the same browser key
    /// with another endpoint, and of the same endpoint with other keys, are replaced. A channel with the prefix `private-`, `presence-`,
    /// `peer-` or `personal-` requires `auth` in the query, which is not the browser's secret `auth` in the body.
    #[oai(
        path = "/web_pushes",
        method = "post",
        operation_id = "createWebPushTarget"
    )]
    async fn create(
        &self,
        session: SessionCaller,
        /// `<app_key>:<hex>`, HMAC-SHA256 of `<endpoint>:<channel>` with the app's secret; for closed channels.
        auth: Query<Option<Param<TargetAuth>>>,
        /// Whether the other registrations of the endpoint are removed. 0 and 1 are accepted as false and true.
        unsubscribe: Query<Option<Param<YesNo>>>,
        body: Fields<WebPushTargetRequest>,
    ) -> Result<JsonAnswer<WebPushTargetShape>, Problem> {
        let targets = self.targets();
        let endpoint = body.required("endpoint", false)?;
        targets.check_web_address("endpoint", &endpoint)?;
        let p256dh = body.required("p256dh", false)?;
        let secret = body.required("auth", false)?;
        BrowserKeys::parse(&p256dh, &secret)
            .map_err(|error| Problem::bad_request(error.to_string()))?;
        let channel = targets.channel(&body.required("event", false)?)?;
        let target = NewTarget {
            kind: TargetKind::WebPush,
            away: targets.away(&body, &channel)?,
            digest: targets.digest(&body)?,
            channel,
            address: Secret::new(endpoint),
            p256dh: Some(Secret::new(p256dh)),
            auth: Some(Secret::new(secret)),
        };
        let record = targets
            .create(&session.0, target, auth.0, unsubscribe.0)
            .await?;
        Ok(JsonAnswer::text(record))
    }

    /// List browsers
    ///
    /// Returns a page of the browsers of the session's app, in the order of their registration.
    #[oai(
        path = "/web_pushes",
        method = "get",
        operation_id = "listWebPushTargets"
    )]
    async fn list(
        &self,
        session: SessionCaller,
        /// Only registrations of this endpoint. Empty: all endpoints.
        endpoint: Query<Option<Param<AnyEndpoint>>>,
        /// Only registrations for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only registrations with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<WebPushTargetList>, Problem> {
        let listed = Listed {
            address: endpoint.0.map(|endpoint| endpoint.0),
            event: event.0.map(|event| event.0),
            count: count.0,
            after: after.0,
        };
        let body = self.targets().list(&session.0, listed).await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// End registrations of a browser
    ///
    /// With a channel, returns the registration that has ended, or `{"result":"success"}` if there was none; without, all registrations
    /// of the endpoint. The endpoint in the path is percent-encoded.
    #[oai(
        path = "/web_pushes/:endpoint",
        method = "delete",
        operation_id = "deleteWebPushTargets"
    )]
    async fn delete(
        &self,
        session: SessionCaller,
        /// The endpoint.
        endpoint: Path<Param<Endpoint>>,
        /// Only the registration for this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Whether a missing registration of a channel is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedWebPushTargets>, Problem> {
        let (targets, endpoint) = (self.targets(), &endpoint.0.0);
        let event = event.0.map(|event| event.0);
        let ended = match event.filter(|event| !event.is_empty()) {
            None => targets.delete_all(&session.0, endpoint).await?,
            Some(event) => {
                targets
                    .delete_one(&session.0, endpoint, &event, force.0)
                    .await?
            }
        };
        Ok(JsonAnswer::text(ended))
    }
}

impl WebPushTargetRoutes {
    fn targets(&self) -> Targets<'_> {
        Targets {
            rest: &self.0,
            kind: TargetKind::WebPush,
        }
    }
}
