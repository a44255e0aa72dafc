//! Who may use the console: where it is served, and its session cookie.

use poem::Request;
use poem::http::HeaderValue;

use crate::core::auth;
use crate::core::service::ConsoleAccess;
use crate::inbound::listen::{ClientInfo, ListenerRole};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::cookies::cookie;
use crate::inbound::rest::local::is_from_this_machine;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::same_origin::refuse_other_pages;

/// The name of the cookie.
const COOKIE: &str = "pushi_console";
/// The header with which the console's pages show that they have sent a request.
const REQUEST_TOKEN: &str = "x-csrf-token";

/// Refuses requests where the console is not served.
pub(super) fn check_served(request: &Request, rest: &RestContext) -> Result<(), Problem> {
    if !rest.rules.console {
        return Err(Problem::not_found(
            "the console is off: start the server without PUSHI_CONSOLE=0",
        ));
    }
    if request.extensions().get::<ListenerRole>() == Some(&ListenerRole::Server) {
        return Err(Problem::not_found(
            "the console is served only by the REST listener (APP_HOST, APP_PORT)",
        ));
    }
    if rest.rules.insecure_console || is_secure(request) || is_from_this_machine(request) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the console is served over TLS, or to this machine under a loopback address: use https (behind a proxy, see PUSHI_TRUSTED_PROXIES), or set PUSHI_CONSOLE_INSECURE=1",
    ))
}

/// Whether this client can use the console.
pub(in crate::inbound::rest) fn is_console_served(request: &Request, rest: &RestContext) -> bool {
    check_served(request, rest).is_ok()
}

fn is_secure(request: &Request) -> bool {
    let client = request.extensions().get::<ClientInfo>();
    client.is_some_and(|client| client.secure)
}

/// The console's cookie as a request has it.
pub(in crate::inbound::rest) struct ConsoleCookie {
    session: String,
    /// Whether the request has the header of the console's pages. Without it the cookie does not count, for browsers send it along
    /// with requests of other pages, too.
    pub is_of_page: bool,
}

impl ConsoleCookie {
    /// `None`: there is no cookie.
    pub(in crate::inbound::rest) fn of(request: &Request) -> Option<Self> {
        Some(Self {
            session: cookie(request, COOKIE)?,
            is_of_page: request.headers().contains_key(REQUEST_TOKEN),
        })
    }

    /// The session, where a page of the console has sent the request.
    pub(in crate::inbound::rest) fn check(
        self,
        request: &Request,
        rest: &RestContext,
    ) -> Result<String, Problem> {
        check_served(request, rest)?;
        refuse_other_pages(request)?;
        let expected = auth::console_request_token(&self.session);
        let mut sent = request.headers().get_all(REQUEST_TOKEN).into_iter();
        match (sent.next(), sent.next()) {
            (Some(sent), None) if sent.to_str().is_ok_and(|sent| expected.matches(sent)) => {
                Ok(self.session)
            }
            _ => Err(Problem::forbidden(
                "the console's cookie counts only with the token of its session in X-CSRF-Token: see GET /console/session",
            )),
        }
    }

    /// What the session may access, for a request that changes nothing.
    pub(super) async fn access(
        &self,
        request: &Request,
        rest: &RestContext,
    ) -> Result<ConsoleAccess, Problem> {
        refuse_other_pages(request)?;
        let token = rest.rules.admin_token.as_ref();
        Ok(rest.service.console_access(token, &self.session).await?)
    }

    /// The text for the header.
    pub(super) fn request_token(&self) -> String {
        request_token(&self.session)
    }
}

/// The text for the header of a session's requests.
pub(super) fn request_token(session: &str) -> String {
    auth::console_request_token(session).expose().to_owned()
}

/// The cookie: out of reach of scripts and other sites, and only sent back under TLS where it was set under TLS.
pub(super) fn set_cookie(
    request: &Request,
    session: &str,
    seconds: u64,
) -> Result<HeaderValue, Problem> {
    let secure = if is_secure(request) { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value =
        HeaderValue::try_from(text).map_err(|error| Problem::internal(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}
