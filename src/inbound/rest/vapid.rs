//! The VAPID keys of apps.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::RestContext;
use super::answer::JsonAnswer;
use super::apps::reached;
use super::params::{Ident, Param, YesNo};
use super::problem::Problem;
use super::schema::{example, inline, plain, shape};
use super::security::{Caller, SessionCaller};
use super::tags::Section;

const MEMBER: &str = "vapid_public_key";

shape! {
    /// A public key in an answer.
    VapidKeyShape as "VapidKey" = |_| {
        let about = "The public key, as `PushManager.subscribe` takes it: base64url of the uncompressed point, 65 bytes, without padding.";
        let schema = MetaSchema {
            required: vec![MEMBER],
            properties: vec![(MEMBER, inline(plain("string", about)))],
            ..plain("object", "The key by which push services identify an app (RFC 8292).")
        };
        let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        example(schema, json!({MEMBER: key}))
    }
}

fn answer(key: &str) -> JsonAnswer<VapidKeyShape> {
    JsonAnswer::text(json!({MEMBER: key}).to_string())
}

/// The routes of VAPID keys.
pub(super) struct VapidRoutes(pub Arc<RestContext>);

#[OpenApi]
impl VapidRoutes {
    /// Get the VAPID key
    ///
    /// Returns the public key of the session's app, which browsers need to subscribe to Web Push. 404 if the app has no key.
    #[oai(
        path = "/vapid_key",
        method = "get",
        operation_id = "getVapidKey",
        tag = "Section::Messaging"
    )]
    async fn get(&self, session: SessionCaller) -> Result<JsonAnswer<VapidKeyShape>, Problem> {
        // As stored now: a command may have made it a moment ago.
        let app = self.0.service.app(&session.app.ident).await?;
        let key = self.0.service.vapid_public_key(&app).map_err(|error| {
            Problem::not_found(format!(
                "{error}: make a key with pushi app vapid {0} or POST /apps/{0}/vapid",
                app.ident
            ))
        })?;
        Ok(answer(&key))
    }

    /// Make a VAPID key
    ///
    /// Makes a key pair for Web Push, stores it and returns its public key. Any app with the administrator's token, and the session's own
    /// app with a session token. An existing key is replaced only with `replace`: browsers that subscribed with it have to subscribe again.
    #[oai(
        path = "/apps/:ident/vapid",
        method = "post",
        operation_id = "createVapidKey",
        tag = "Section::Apps"
    )]
    async fn create(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Replace an existing key.
        replace: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<VapidKeyShape>, Problem> {
        let ident = reached(&caller, &ident.0.0)?;
        let replace = replace.0.is_some_and(|replace| replace.0);
        let key = self.0.service.make_vapid_key(&ident, replace).await?;
        Ok(answer(&key))
    }
}
