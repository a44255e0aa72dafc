//! Authentication: an app's session, the administrator, or no credentials.

use std::sync::Arc;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::RestContext;
use super::local::is_local;
use super::problem::Problem;
use super::tokens::{PresentedTokens, SID, SessionError, client_network};
use crate::core::auth::{TokenError, TokenGrant};
use crate::core::model::{App, Secret};
use crate::core::service::{AppSession, LoginError, UserTokenError};
use crate::inbound::listen::ListenerRole;

const NO_ADMINISTRATOR: &str = "no administrator's token is configured: set PUSHI_ADMIN_TOKEN, and send it as Authorization: Bearer (see the configuration page)";

/// A caller with an app's session.
pub(super) struct SessionCaller(pub AppSession);

impl std::ops::Deref for SessionCaller {
    type Target = AppSession;

    fn deref(&self) -> &AppSession {
        &self.0
    }
}

/// A caller with an app's session, shown by more than the cookie: for a GET that changes something, which any page can cause.
pub(super) struct SessionByToken(pub AppSession);

/// A caller with an app's session, or a user with a token.
pub(super) enum UserOrSession {
    /// Everything of the app.
    Session(AppSession),
    /// What the token covers.
    User(Arc<App>, TokenGrant),
}

impl UserOrSession {
    /// The app.
    pub(super) fn app(&self) -> &App {
        match self {
            Self::Session(session) => &session.app,
            Self::User(app, _) => app,
        }
    }

    /// What the caller is restricted to; `None`: nothing.
    pub(super) fn grant(&self) -> Option<&TokenGrant> {
        match self {
            Self::Session(_) => None,
            Self::User(_, grant) => Some(grant),
        }
    }

    async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let shown = PresentedTokens::of(request, rest)?;
        let Some(token) = shown.user_token() else {
            let caller = SessionCaller::of(request).await?;
            return Ok(Self::Session(caller.0));
        };
        match rest.service.app_of_token(&token).await {
            Ok((app, grant)) => Ok(Self::User(app, grant)),
            Err(error) => {
                // It may have been a guess at the administrator's token; one that has only expired was not.
                if matches!(
                    error,
                    UserTokenError::Token(TokenError::Malformed | TokenError::Signature)
                ) {
                    rest.service.judge_token(client_network(request), false)?;
                }
                Err(error.into())
            }
        }
    }
}

/// A caller that may read and change apps.
pub(super) enum Caller {
    /// Every app, with the administrator's token or with this session of the console.
    Administrator(Option<Secret>),
    /// Its own app.
    Session(AppSession),
}

impl Caller {
    /// Its session; `None`: the administrator.
    pub(super) fn session(&self) -> Option<&AppSession> {
        match self {
            Self::Administrator(_) => None,
            Self::Session(session) => Some(session),
        }
    }
}

/// A caller with the administrator's token.
pub(super) struct Administrator;

/// A caller that creates an app.
pub(super) enum Registrar {
    /// May set every member.
    Administrator,
    /// No credentials, where registration is open.
    Anybody,
}

impl Registrar {
    /// Whether it is the administrator.
    pub(super) fn is_administrator(&self) -> bool {
        matches!(self, Self::Administrator)
    }
}

impl SessionCaller {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let shown = PresentedTokens::of(request, rest)?;
        match shown.session(request, rest).await? {
            Some(session) => Ok(Self(session)),
            None if shown.administrator => Err(Problem::forbidden(
                "this route belongs to one app: send a session token from /login, not the administrator's",
            )),
            None => Err(Problem::unauthorized(
                "a session token is missing: log in at /login, and send it as sid or Authorization: Bearer",
            )),
        }
    }
}

impl SessionByToken {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let shown = PresentedTokens::of(request, rest)?;
        if shown.is_cookie_alone() {
            return Err(Problem::forbidden(
                "the session cookie does not count for a GET that changes something: use POST, or send the token as sid in the query or as Authorization: Bearer",
            ));
        }
        SessionCaller::of(request)
            .await
            .map(|caller| Self(caller.0))
    }
}

impl Caller {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let shown = PresentedTokens::of(request, rest)?;
        if shown.administrator {
            return Ok(Self::Administrator(shown.administrator_session()));
        }
        match shown.session(request, rest).await {
            Ok(Some(session)) => Ok(Self::Session(session)),
            Err(SessionError::Login(LoginError::Session)) if rest.rules.admin_token.is_none() => {
                Err(Problem::unauthorized(format!(
                    "the session token is unknown or has expired: log in again; {NO_ADMINISTRATOR}"
                )))
            }
            Err(SessionError::Login(LoginError::Session)) => Err(Problem::unauthorized(
                "the token is neither the administrator's nor that of a valid session: log in again",
            )),
            Err(error) => Err(error.into()),
            Ok(None) if rest.rules.admin_token.is_none() => Err(Problem::forbidden(format!(
                "log in at /login to access your own app; for all apps {NO_ADMINISTRATOR}"
            ))),
            Ok(None) => Err(Problem::unauthorized(
                "a token is missing: send the administrator's, or a session token from /login",
            )),
        }
    }
}

impl Administrator {
    /// Refuses other callers, with a message that says which token is needed.
    pub(super) async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let shown = PresentedTokens::of(request, rest)?;
        if shown.administrator {
            return Ok(Self);
        }
        if rest.rules.admin_token.is_none() {
            return Err(Problem::forbidden(NO_ADMINISTRATOR));
        }
        // 403 only for a valid session; an unknown token gets 401.
        match shown.session(request, rest).await {
            Ok(Some(_)) | Err(SessionError::Login(LoginError::Disabled)) => Err(
                Problem::forbidden("this requires the administrator's token, not a session token"),
            ),
            Err(SessionError::Login(LoginError::Session)) => Err(Problem::unauthorized(
                "the token is not the administrator's",
            )),
            Err(error) => Err(error.into()),
            Ok(None) => Err(Problem::unauthorized(
                "the administrator's token is missing: send it as Authorization: Bearer",
            )),
        }
    }
}

impl Registrar {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        match Administrator::of(request).await {
            Ok(Administrator) => Ok(Self::Administrator),
            Err(problem) if problem.is_throttled() => Err(problem),
            Err(_) if rest.rules.open_registration => Ok(Self::Anybody),
            Err(problem) => Err(problem),
        }
    }
}

/// One scheme for both kinds of token: of two bearer schemes, some generated clients set the first alone.
const BEARER_SCHEME: &str = "bearer";
/// The last of an operation's schemes, so that generated clients use the first.
const USER_TOKEN_SCHEME: &str = "userToken";
/// The cookie is no scheme: generators of clients for servers support none in cookies.
const SESSION_SCHEMES: [&str; 2] = [BEARER_SCHEME, "sessionQuery"];

fn register_session(registry: &mut Registry) {
    register_bearer(registry);
    let [_, query] = SESSION_SCHEMES;
    let key = MetaSecurityScheme {
        name: Some(SID),
        key_in: Some("query"),
        ..scheme(
            "apiKey",
            "A session token from `/login`, as the query parameter `sid`.",
        )
    };
    registry.create_security_scheme(query, key);
}

fn register_bearer(registry: &mut Registry) {
    let bearer = MetaSecurityScheme {
        scheme: Some("bearer"),
        ..scheme(
            "http",
            "A session token from `/login`, or the administrator's token (`PUSHI_ADMIN_TOKEN`).",
        )
    };
    registry.create_security_scheme(BEARER_SCHEME, bearer);
}

fn register_user_token(registry: &mut Registry) {
    let token = MetaSecurityScheme {
        scheme: Some("bearer"),
        bearer_format: Some("JWT"),
        ..scheme(
            "http",
            "A JSON Web Token of a user, signed by your back end: opens the history of the channels that it covers, and the user's own subscriptions.",
        )
    };
    registry.create_security_scheme(USER_TOKEN_SCHEME, token);
}

fn scheme(ty: &'static str, description: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

/// Implements the extractor of a kind of caller, which is authenticated before anything else of the
/// request is parsed.
///
/// `caller!(SessionCaller, SESSION_SCHEMES.to_vec(), false, [register_session])` makes `SessionCaller` an
/// argument of operations: the document lists the schemes, not as optional, and `SessionCaller::of`
/// reads the caller or answers the error.
macro_rules! caller {
    ($name:ident, $schemes:expr, $optional:literal, [$($register:ident),*]) => {
        impl<'a> ApiExtractor<'a> for $name {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                $($register(registry);)*
            }

            fn security_schemes() -> Vec<&'static str> {
                $schemes
            }

            fn has_security_fallback() -> bool {
                $optional
            }

            async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
                Ok(Self::of(request).await?)
            }
        }
    };
}

caller!(
    SessionCaller,
    SESSION_SCHEMES.to_vec(),
    false,
    [register_session]
);
caller!(
    SessionByToken,
    SESSION_SCHEMES.to_vec(),
    false,
    [register_session]
);
caller!(
    UserOrSession,
    vec![BEARER_SCHEME, "sessionQuery", USER_TOKEN_SCHEME],
    false,
    [register_session, register_user_token]
);
caller!(Caller, SESSION_SCHEMES.to_vec(), false, [register_session]);
caller!(Administrator, vec![BEARER_SCHEME], false, [register_bearer]);
caller!(Registrar, vec![BEARER_SCHEME], false, [register_bearer]);
caller!(
    OperationsAccess,
    vec![BEARER_SCHEME],
    true,
    [register_bearer]
);

/// The paths of operations for [`OperationsAccess`], which no page of another origin may read.
pub(super) const OPERATIONS: [&str; 2] = ["/metrics", "/health/detailed"];

/// A caller that may read metrics and detailed health: the administrator, or a process of this machine.
pub(super) struct OperationsAccess;

impl OperationsAccess {
    async fn of(request: &Request) -> Result<Self, Problem> {
        if request.extensions().get::<ListenerRole>() == Some(&ListenerRole::Server) {
            return Err(Problem::not_found(
                "this route is served only by the REST listener (APP_HOST, APP_PORT)",
            ));
        }
        if is_local(request) {
            return Ok(Self);
        }
        Administrator::of(request).await.map(|Administrator| Self)
    }
}
