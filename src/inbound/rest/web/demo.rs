//! The back end of the example page (`PUSHI_DEMO=1`): signs for every caller, under any name.

use std::sync::Arc;

use poem::{Request, Response};
use serde_json::json;

use super::super::RestContext;
use super::super::answer::JSON;
use super::super::form::value_of;
use super::super::problem::Problem;
use crate::core::auth;
use crate::core::model::{App, AppIdent, ChannelKind, ChannelName, UserId};

/// Which app the example page is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoApp {
    /// The configured one.
    Named(AppIdent),
    /// The first of the store, as an empty one gets it at the first start.
    First,
}

/// The answer; `None`: the path is another.
pub(super) async fn answer(
    rest: &Arc<RestContext>,
    demo: &DemoApp,
    request: &Request,
) -> Option<Response> {
    let answer = match request.uri().path() {
        "/examples/app" => app(rest, demo).await.map(|app| json!({ "key": app.key })),
        "/examples/auth" => sign(rest, demo, request).await,
        _ => return None,
    };
    Some(match answer {
        Ok(json) => Response::builder()
            .content_type(JSON)
            .body(json.to_string()),
        Err(problem) => problem.into_answer(),
    })
}

async fn app(rest: &RestContext, demo: &DemoApp) -> Result<Arc<App>, Problem> {
    match demo {
        DemoApp::Named(ident) => Ok(rest.service.app(ident).await?),
        DemoApp::First => match rest.service.apps(0, 1).await?.pop() {
            Some(app) => Ok(Arc::new(app)),
            None => Err(Problem::not_found(
                "there is no app yet: create one with `pushi app create`",
            )),
        },
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
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if socket.len() > 64
        || !socket
            .split_once('.')
            .is_some_and(|(a, b)| decimal(a) && decimal(b))
    {
        return Err(Problem::bad_request(
            "socket_id must be that of the connection's first frame",
        ));
    }
    let name = parameter("name")?;
    let user = UserId::parse(&name).filter(|user| !user.as_str().contains('&'));
    let user =
        user.ok_or_else(|| Problem::bad_request("name must have 1 to 128 characters, without &"))?;
    let limit = usize::try_from(rest.service.rules().limits.channel_name).unwrap_or(usize::MAX);
    let channel = ChannelName::parse(&parameter("channel")?, limit)?;
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
