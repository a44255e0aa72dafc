//! Logging in and out.

use std::sync::Arc;

use poem::Request;
use poem::http::HeaderValue;
use poem_openapi::param::Query;
use poem_openapi::registry::MetaSchema;
use poem_openapi::{Object, OpenApi};
use serde_json::json;

use super::RestContext;
use super::answer::{EmptyResult, JsonAnswer, done};
use super::body::Fields;
use super::params::{Credential, Param};
use super::problem::Problem;
use super::schema::{credential, example, ident, inline, plain, shape};
use super::security::{SessionByToken, SessionCaller};
use super::tags::Section;
use super::tokens::{SID, client_network};
use crate::core::service::{AppSession, LoginCredentials};
use crate::inbound::listen::ClientInfo;

/// The path of the login.
pub(super) const LOGIN: &str = "/login";
/// The largest body of a login in bytes.
pub(super) const MAX_LOGIN_BYTES: u64 = 16 * 1024;

/// A session token.
#[derive(Debug, Object)]
#[oai(example, rename = "SessionToken")]
pub(super) struct SessionToken {
    /// The token, to be sent as `Authorization: Bearer`, as the query parameter `sid` or as the cookie `sid`.
    pub token: String,
}

impl poem_openapi::types::Example for SessionToken {
    fn example() -> Self {
        Self {
            token: "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35".into(),
        }
    }
}

shape! {
    /// The credentials of a login.
    Credentials as "Credentials" = |_| {
        let schema = MetaSchema {
            required: vec!["app_id", "app_key", "app_secret"],
            properties: vec![
                ("app_id", inline(ident("The `ident` of the app."))),
                ("app_key", inline(credential("The `key` of the app."))),
                ("app_secret", inline(credential("The `secret` of the app, or its `previous_secret`."))),
            ],
            ..plain("object", "The credentials of an app.")
        };
        example(schema, json!({"app_id": "8f14e45fceea167a", "app_key": "c9f0f895fb98ab91", "app_secret": "45c48cce2e2d7fbd"}))
    }
}

/// The routes of sessions.
pub(super) struct SessionRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Sessions")]
impl SessionRoutes {
    /// Log in
    ///
    /// Returns a session token, which is also set as the cookie `sid`. The credentials are accepted as JSON, as a form, or in the
    /// query.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        request: &Request,
        body: Fields<Credentials>,
    ) -> Result<JsonAnswer<SessionToken>, Problem> {
        let field = |name| body.required(name, false);
        self.enter(
            request,
            &field("app_id")?,
            &field("app_key")?,
            &field("app_secret")?,
        )
        .await
    }

    /// Log in with query parameters
    ///
    /// Equivalent to `POST /login`, which is preferable: proxies log query parameters.
    #[oai(path = "/login", method = "get", operation_id = "loginByQuery")]
    async fn login_by_query(
        &self,
        request: &Request,
        /// The `ident` of the app.
        app_id: Query<Param<Credential>>,
        /// The `key` of the app.
        app_key: Query<Param<Credential>>,
        /// The `secret` of the app, or its `previous_secret`.
        app_secret: Query<Param<Credential>>,
    ) -> Result<JsonAnswer<SessionToken>, Problem> {
        self.enter(request, &app_id.0.0, &app_key.0.0, &app_secret.0.0)
            .await
    }

    /// Log out
    ///
    /// Invalidates the session token and deletes the cookie `sid`.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(
        &self,
        request: &Request,
        session: SessionCaller,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        self.leave(request, session.0).await
    }

    /// Log out with GET
    ///
    /// Equivalent to `POST /logout`. The cookie alone does not authenticate this request.
    #[oai(path = "/logout", method = "get", operation_id = "logoutByGet")]
    async fn logout_by_get(
        &self,
        request: &Request,
        session: SessionByToken,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        self.leave(request, session.0).await
    }
}

impl SessionRoutes {
    async fn enter(
        &self,
        request: &Request,
        id: &str,
        key: &str,
        secret: &str,
    ) -> Result<JsonAnswer<SessionToken>, Problem> {
        let credentials = LoginCredentials {
            app_id: id,
            app_key: key,
            app_secret: secret,
        };
        let client = client_network(request);
        let token = self.0.service.login(client, credentials).await?;
        let cookie = cookie(request, &token.text, token.ttl.as_secs())?;
        Ok(JsonAnswer::of(&SessionToken { token: token.text }).with_cookie(cookie))
    }

    async fn leave(
        &self,
        request: &Request,
        session: AppSession,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        self.0.service.logout(session.token()).await?;
        Ok(done().with_cookie(cookie(request, "", 0)?))
    }
}

/// The session cookie: out of reach of scripts and other sites, and only sent back under TLS where it was set under TLS.
fn cookie(request: &Request, token: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let secure = request
        .extensions()
        .get::<ClientInfo>()
        .is_some_and(|client| client.secure);
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{SID}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value =
        HeaderValue::try_from(text).map_err(|error| Problem::internal(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}
