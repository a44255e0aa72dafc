//! Apps: create, read, change, delete, rotate, ping.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::json;

use super::RestContext;
use super::answer::{EmptyResult, JsonAnswer, done};
use super::app_dto::{self, AppList, AppShape, ChangeShape, DraftShape};
use super::app_members::AppMembers;
use super::list::{self, ListPage};
use super::params::{Ident, Param, Whole};
use super::problem::Problem;
use super::publication::DEFAULT_CHANNEL;
use super::security::{Administrator, Caller, Registrar, SessionByToken};
use super::settings::{self, Editable};
use super::tags::Section;
use crate::core::model::{App, AppIdent, ChannelName, Payload};
use crate::core::service::{AppError, AppSession, Publishing};

/// The most apps in one answer.
const MOST: u64 = 10_000;

/// Apps that are read at once.
const PAGE: usize = 100;

/// The routes of apps.
pub(super) struct AppRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Apps")]
impl AppRoutes {
    /// Create an app
    ///
    /// Returns the app with its `ident`, `key` and `secret`. Requires the administrator's token. If registration is open
    /// (`PUSHI_OPEN_REGISTRATION=1`), no token is needed, but settings that only the administrator may set are rejected. The members
    /// are also accepted as a form or in the query, with lists and objects as JSON.
    #[oai(path = "/apps", method = "post", operation_id = "createApp")]
    async fn create(
        &self,
        registrar: Registrar,
        body: AppMembers<DraftShape>,
    ) -> Result<JsonAnswer<AppShape>, Problem> {
        let draft = app_dto::draft(&body.members, registrar.is_administrator())?;
        let app = self.0.service.create_app(draft).await?;
        Ok(answer(&app, None))
    }

    /// List apps
    ///
    /// Returns all apps with the administrator's token, and the session's own app with a session token.
    #[oai(path = "/apps", method = "get", operation_id = "listApps")]
    async fn list(
        &self,
        caller: Caller,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only apps with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<AppList>, Problem> {
        let count = count.0.map_or(MOST, |count| count.0.min(MOST));
        let after = after.0.map_or(0, |after| after.0);
        let service = Arc::clone(&self.0.service);
        if let Caller::Session(session) = caller {
            let own = service.app(&session.app.ident).await?;
            let shown: Vec<_> = [own]
                .iter()
                .filter(|own| count > 0 && own.id > after)
                .map(|own| app_dto::show(own, Some(&session)))
                .collect();
            return Ok(JsonAnswer::text(json!({ "apps": shown }).to_string()));
        }
        let pages = list::pages((after, count), move |(after, left)| {
            let service = Arc::clone(&service);
            async move {
                let wanted = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
                let found = service.apps(after, wanted).await?;
                let left = left - wanted as u64;
                let is_last = found.len() < wanted || left == 0;
                let after = found.last().map_or(after, |last| last.id);
                let items = found.iter().map(|app| app_dto::show(app, None).to_string());
                Ok((ListPage::new(items, is_last), (after, left)))
            }
        });
        let body = list::body(None, "{\"apps\":[", pages, "]}").await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// Publish a ping
    ///
    /// Publishes the event `ping` to the channel `global` of the session's app, without storing it. The cookie alone does not
    /// authenticate this request.
    #[oai(path = "/apps/ping", method = "get", operation_id = "pingApp")]
    async fn ping(&self, session: SessionByToken) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let payload = Payload {
            event: "ping".into(),
            data: "ping".into(),
            extra: Default::default(),
        };
        let channels = vec![ChannelName::trusted(DEFAULT_CHANNEL)];
        self.0
            .service
            .publish(
                &session.0.app,
                Publishing {
                    channels,
                    payload,
                    persist: false,
                    idempotency_key: None,
                },
            )
            .await?;
        Ok(done())
    }

    /// Get an app
    ///
    /// Returns any app with the administrator's token, and only the session's own app with a session token: of its secrets, the one
    /// that the session was opened with.
    #[oai(path = "/apps/:ident", method = "get", operation_id = "getApp")]
    async fn get(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<AppShape>, Problem> {
        let ident = reached(&caller, &ident.0.0)?;
        Ok(answer(
            &*self.0.service.app(&ident).await?,
            caller.session(),
        ))
    }

    /// Change an app
    ///
    /// Accepts any subset of the settings, also as a form or in the query, with lists and objects as JSON. Null counts as omitted.
    /// `reset` names settings that return to their defaults. The change applies on all nodes within a second. Any app with the
    /// administrator's token, and the session's own app with a session token.
    #[oai(path = "/apps/:ident", method = "put", operation_id = "updateApp")]
    async fn update(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        body: AppMembers<ChangeShape>,
    ) -> Result<JsonAnswer<AppShape>, Problem> {
        let ident = reached(&caller, &ident.0.0)?;
        let administrator = matches!(caller, Caller::Administrator(_));
        let members = body.members;
        app_dto::check_change(&members)?;
        let change = |app: &mut App| {
            let mut editable = Editable::of(app);
            settings::change(&members, &mut editable, administrator)?;
            editable.give_to(app);
            Ok::<_, Problem>(())
        };
        let app = self.0.service.update_app(&ident, &change).await?;
        Ok(answer(&app, caller.session()))
    }

    /// Delete an app
    ///
    /// Deletes the app with all its data and closes its connections. Requires the administrator's token.
    #[oai(path = "/apps/:ident", method = "delete", operation_id = "deleteApp")]
    async fn delete(
        &self,
        _administrator: Administrator,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        self.0.service.delete_app(&parse(&ident.0.0)?).await?;
        Ok(done())
    }

    /// Rotate an app's secret
    ///
    /// Generates a new `secret`. The old one stays valid as `previous_secret` until that is reset, and so do its sessions, which cannot
    /// read or rotate the new one. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/rotate",
        method = "post",
        operation_id = "rotateAppSecret"
    )]
    async fn rotate(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<AppShape>, Problem> {
        let ident = reached(&caller, &ident.0.0)?;
        // The session that makes the new secret gets it here, and never again.
        let app = match caller.session() {
            Some(session) => self.0.service.rotate_own_secret(session).await?,
            None => self.0.service.rotate_secret(&ident).await?,
        };
        Ok(answer(&app, None))
    }

    /// End all sessions of an app
    ///
    /// Invalidates every session token of the app, including that of the request, on all nodes within a second. Connections stay
    /// open. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/sessions/revoke",
        method = "post",
        operation_id = "revokeAppSessions"
    )]
    async fn revoke_sessions(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let ident = reached(&caller, &ident.0.0)?;
        self.0.service.end_sessions(&ident).await?;
        Ok(done())
    }
}

fn answer(app: &App, session: Option<&AppSession>) -> JsonAnswer<AppShape> {
    JsonAnswer::text(app_dto::show(app, session).to_string())
}

fn parse(ident: &str) -> Result<AppIdent, AppError> {
    AppIdent::parse(ident).map_err(|_| AppError::NotFound)
}

/// The app that a path names, if the caller may access it. A session cannot learn whether another app exists.
pub(super) fn reached(caller: &Caller, ident: &str) -> Result<AppIdent, AppError> {
    match caller {
        Caller::Administrator(_) => parse(ident),
        Caller::Session(session) if session.app.ident.as_str() == ident => {
            Ok(session.app.ident.clone())
        }
        Caller::Session(_) => Err(AppError::NotFound),
    }
}
