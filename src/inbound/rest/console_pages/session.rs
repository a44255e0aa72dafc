//! Signing in to the console and out of it.

use std::sync::Arc;

use poem::Request;
use poem_openapi::registry::MetaSchema;
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::json;

use super::access::{ConsoleCookie, check_served, request_token, set_cookie};
use crate::core::model::App;
use crate::core::service::ConsoleAccess;
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::{EmptyResult, JsonAnswer, done};
use crate::inbound::rest::body::Fields;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::same_origin::refuse_other_pages;
use crate::inbound::rest::schema::{credential, example, inline, plain, shape};
use crate::inbound::rest::tags::Section;
use crate::inbound::rest::tokens::client_network;

/// The path of the session.
pub(in crate::inbound::rest) const SESSION: &str = "/console/session";

shape! {
    /// What opens the console.
    ConsoleCredentials as "ConsoleCredentials" = |_| {
        let about = "The secret of an app with its `ident` or `key`, or the administrator's token alone.";
        let schema = MetaSchema {
            required: vec!["secret"],
            properties: vec![
                ("app", inline(MetaSchema { nullable: true, ..credential("The `ident` or the `key` of the app; null or omitted: `secret` is the administrator's token.") })),
                ("secret", inline(MetaSchema { min_length: Some(1), ..plain("string", "The `secret` of the app, or its `previous_secret`; or the administrator's token.") })),
            ],
            ..plain("object", about)
        };
        example(schema, json!({"app": "8f14e45fceea167a", "secret": "45c48cce2e2d7fbd"}))
    }
}

/// What a session of the console may access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub(super) enum ConsoleRole {
    /// Every app.
    Administrator,
    /// One app.
    App,
}

/// A session of the console.
#[derive(Object)]
#[oai(example, rename = "ConsoleSession")]
pub(super) struct ConsoleSession {
    pub role: ConsoleRole,
    /// The `ident` of the session's app; absent: every app.
    #[oai(skip_serializing_if_is_none)]
    pub app: Option<String>,
    /// The name of the session's app; absent: every app.
    #[oai(skip_serializing_if_is_none)]
    pub app_name: Option<String>,
    /// The token that each request with the session's cookie has in `X-CSRF-Token`.
    pub csrf_token: String,
}

impl poem_openapi::types::Example for ConsoleSession {
    fn example() -> Self {
        Self {
            role: ConsoleRole::App,
            app: Some("8f14e45fceea167a".into()),
            app_name: Some("shop".into()),
            csrf_token: "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a".into(),
        }
    }
}

impl ConsoleSession {
    fn new(access: &ConsoleAccess, csrf_token: String) -> Self {
        let app: Option<&App> = match access {
            ConsoleAccess::Administrator => None,
            ConsoleAccess::App(session) => Some(&session.app),
        };
        Self {
            role: app.map_or(ConsoleRole::Administrator, |_| ConsoleRole::App),
            app: app.map(|app| app.ident.as_str().to_owned()),
            app_name: app.map(|app| app.name.clone()),
            csrf_token,
        }
    }
}

/// The routes of the console's session.
pub(in crate::inbound::rest) struct ConsoleSessionRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl ConsoleSessionRoutes {
    /// Sign in to the console
    ///
    /// Opens a session of at most twelve hours, whose token is set as the cookie `pushi_console`. With the returned `csrf_token` in
    /// `X-CSRF-Token`, the cookie authenticates the other routes: as the administrator's token, or as a session token of the app. The
    /// session ends with the secret or token that opened it.
    #[oai(
        path = "/console/session",
        method = "post",
        operation_id = "loginConsole"
    )]
    async fn open(
        &self,
        request: &Request,
        body: Fields<ConsoleCredentials>,
    ) -> Result<JsonAnswer<ConsoleSession>, Problem> {
        check_served(request, &self.0)?;
        refuse_other_pages(request)?;
        let (app, secret) = (body.optional("app")?, body.required("secret", false)?);
        let (service, client) = (&self.0.service, client_network(request));
        let token = self.0.rules.admin_token.as_ref();
        let session = match &app {
            Some(app) => service.open_app_console(client, app, &secret).await?,
            None => service.open_administrator_console(client, token, &secret)?,
        };
        let access = service.console_access(token, &session.text).await?;
        let shown = ConsoleSession::new(&access, request_token(&session.text));
        let cookie = set_cookie(request, &session.text, session.ttl.as_secs())?;
        Ok(JsonAnswer::of(&shown).with_cookie(cookie))
    }

    /// Get the session of the console
    ///
    /// Returns what the session of the cookie `pushi_console` may access.
    #[oai(
        path = "/console/session",
        method = "get",
        operation_id = "getConsoleSession"
    )]
    async fn get(&self, request: &Request) -> Result<JsonAnswer<ConsoleSession>, Problem> {
        check_served(request, &self.0)?;
        let cookie = signed_in(request)?;
        let access = cookie.access(request, &self.0).await?;
        let shown = ConsoleSession::new(&access, cookie.request_token());
        Ok(JsonAnswer::of(&shown))
    }

    /// Sign out of the console
    ///
    /// Ends the session of the cookie `pushi_console` on all nodes, and deletes the cookie. Requires `X-CSRF-Token`.
    #[oai(
        path = "/console/session",
        method = "delete",
        operation_id = "deleteConsoleSession"
    )]
    async fn close(&self, request: &Request) -> Result<JsonAnswer<EmptyResult>, Problem> {
        check_served(request, &self.0)?;
        let session = signed_in(request)?.check(request, &self.0)?;
        self.0.service.close_console(&session).await?;
        Ok(done().with_cookie(set_cookie(request, "", 0)?))
    }
}

fn signed_in(request: &Request) -> Result<ConsoleCookie, Problem> {
    ConsoleCookie::of(request)
        .ok_or_else(|| Problem::unauthorized("the console is not open: sign in at /console"))
}
