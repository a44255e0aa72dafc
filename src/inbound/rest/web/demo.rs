//! The back end of the example page (`PUSHI_DEMO=1`): signs for every caller, under any name.

use std::sync::Arc;

use poem::http::header;
use poem::{Request, Response};
use serde_json::json;

use super::super::RestContext;
use super::super::answer::JSON;
use super::super::form::value_of;
use super::super::problem::Problem;
use crate::core::auth;
use crate::core::model::{App, AppIdent, ChannelKind, ChannelName, SocketId, UserId};

/// The path of the app's key, and of the authentication endpoint.
const KEY: &str = "/examples/app";
const SIGNATURE: &str = "/examples/auth";

/// Which app the example page is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoApp {
    /// The configured one, whose clients speak the Pusher protocol or not.
    Named {
        /// The app.
        ident: AppIdent,
        /// Whether channel names follow Pusher's rules.
        pusher_clients: bool,
    },
    /// The only one of the store, as an empty one gets it at the first start.
    Only,
}

/// The answer; `None`: the path is another.
pub(super) async fn answer(
    rest: &Arc<RestContext>,
    demo: &DemoApp,
    request: &Request,
) -> Option<Response> {
    let path = request.uri().path();
    let answer = match path {
        KEY | SIGNATURE if !is_own_page(request) => Err(Problem::forbidden(
            "the demo is only for its own page: open /examples/chat.html of this server",
        )),
        KEY => app(rest, demo).await.map(|app| json!({ "key": app.key })),
        SIGNATURE => sign(rest, demo, request).await,
        _ => return None,
    };
    Some(match answer {
        Ok(json) => Response::builder()
            .content_type(JSON)
            .body(json.to_string()),
        Err(problem) => problem.into_answer(),
    })
}

/// Whether a request comes from a page of this server, or not from a page. `Sec-Fetch-Site` cannot be
/// set by a page; browsers that do not send it send `Origin` where a page of another origin could read
/// the answer.
fn is_own_page(request: &Request) -> bool {
    let headers = request.headers();
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, authority)| {
            host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
        })
    })
}

async fn app(rest: &RestContext, demo: &DemoApp) -> Result<Arc<App>, Problem> {
    match demo {
        DemoApp::Named { ident, .. } => Ok(rest.service.app(ident).await?),
        DemoApp::Only => {
            let mut apps = rest.service.apps(0, 2).await?;
            match (apps.pop(), apps.is_empty()) {
                (Some(app), true) => Ok(Arc::new(app)),
                (Some(_), false) => Err(Problem::forbidden(
                    "the demo signs for every caller, so it must be known for which of the apps: set PUSHI_APP_ID, PUSHI_APP_KEY and PUSHI_APP_SECRET to those of an app for it",
                )),
                (None, _) => Err(Problem::not_found(
                    "there is no app yet: create one with `pushi app create`",
                )),
            }
        }
    }
}

/// The protocol of an app's own authentication endpoint, with the chosen name in `name`.
async fn sign(
    rest: &RestContext,
    demo: &DemoApp,
    request: &Request,
) -> Result<serde_json::Value, Problem> {
    let app = app(rest, demo).await?;
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name| value_of(query, name).map(Option::unwrap_or_default);
    let socket = parameter("socket_id")?;
    SocketId::parse(&socket).ok_or_else(|| {
        Problem::bad_request("socket_id must be that of the connection's first frame")
    })?;
    let name = parameter("name")?;
    let user = UserId::parse(&name).filter(|user| !user.as_str().contains('&'));
    let user =
        user.ok_or_else(|| Problem::bad_request("name must have 1 to 128 characters, without &"))?;
    let limit = usize::try_from(rest.service.rules().limits.channel_name).unwrap_or(usize::MAX);
    let parse = match demo {
        DemoApp::Named {
            pusher_clients: true,
            ..
        } => ChannelName::parse_pusher,
        _ => ChannelName::parse,
    };
    let channel = parse(&parameter("channel")?, limit)?;
    auth::check_signable(&channel)?;
    let data = match channel.kind() {
        ChannelKind::Presence => Some(
            json!({ "user_id": user.as_str(), "peer": true, "name": user.as_str() }).to_string(),
        ),
        ChannelKind::Private => None,
        ChannelKind::Personal if channel.personal_user().is_some_and(|owner| owner == user) => None,
        _ => {
            return Err(Problem::bad_request(
                "channel must be a presence or private channel, or the personal channel of this name",
            ));
        }
    };
    let auth = auth::channel_auth(
        &app.key,
        &app.secret,
        &socket,
        channel.as_str(),
        data.as_deref(),
    );
    Ok(json!({ "auth": auth, "channel_data": data }))
}
