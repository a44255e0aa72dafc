//! The tokens that a request presents, and what they open.

use std::net::{IpAddr, Ipv6Addr};

use poem::Request;
use poem::http::header;

use super::console_pages::ConsoleCookie;
use super::cookies::cookie;
use super::problem::Problem;
use super::same_origin::check_cookie;
use super::{RestContext, form};
use crate::core::model::{ClientNetwork, Secret};
use crate::core::service::{AppSession, LoginError};
use crate::inbound::listen::ClientInfo;

/// The name of the session cookie, and of the query parameter that replaces it.
pub(super) const SID: &str = "sid";

/// The tokens that a request presents.
pub(super) struct PresentedTokens {
    /// Whether the bearer is the administrator's.
    pub administrator: bool,
    bearer: Option<String>,
    sid: Option<Sid>,
}

/// `sid`, from the query or else the cookie.
enum Sid {
    Query(String),
    Cookie(String),
    /// The console's session, in place of a `sid`.
    Console(String),
}

impl PresentedTokens {
    /// Fails where the client has presented too many wrong tokens, even if this one is right.
    pub(super) fn of(request: &Request, rest: &RestContext) -> Result<Self, Problem> {
        let bearer = bearer(request);
        let administrator = match (&rest.rules.admin_token, &bearer) {
            (Some(token), Some(bearer)) if token.matches(bearer) => {
                rest.service.judge_token(client_network(request), true)?
            }
            _ => false,
        };
        let mut shown = Self {
            administrator,
            bearer,
            sid: sid(request)?,
        };
        if shown.bearer.is_none() && !matches!(shown.sid, Some(Sid::Query(_))) {
            shown.read_console(request, rest)?;
        }
        Ok(shown)
    }

    /// The console's cookie, where its page proves to have sent the request. It then counts in place of a `sid` cookie.
    fn read_console(&mut self, request: &Request, rest: &RestContext) -> Result<(), Problem> {
        let Some(cookie) = ConsoleCookie::of(request).filter(|_| rest.rules.console) else {
            return Ok(());
        };
        if self.sid.is_some() && !cookie.is_of_page {
            return Ok(());
        }
        let session = cookie.check(request, rest)?;
        let token = rest.rules.admin_token.as_ref();
        self.administrator = rest.service.is_administrator_console(token, &session);
        self.sid = Some(Sid::Console(session));
        Ok(())
    }

    /// The session of the console that makes the caller the administrator; `None`: the token does, or nothing.
    pub(super) fn administrator_session(&self) -> Option<Secret> {
        match &self.sid {
            Some(Sid::Console(session)) if self.administrator => {
                Some(Secret::new(session.as_str()))
            }
            _ => None,
        }
    }

    /// The bearer, where it has the form of a user's token (JSON Web Token).
    pub(super) fn user_token(&self) -> Option<Secret> {
        let bearer = self.bearer.as_deref().filter(|_| !self.administrator)?;
        (bearer.matches('.').count() == 2).then(|| Secret::new(bearer))
    }

    /// Whether there is a cookie, and nothing else.
    pub(super) fn is_cookie_alone(&self) -> bool {
        self.bearer.is_none() && matches!(self.sid, Some(Sid::Cookie(_) | Sid::Console(_)))
    }

    /// The session of the token; `None`: there is no token. A bearer takes precedence over a `sid`, unless it is the
    /// administrator's. A session that is valid opens its app also where the client has presented too many wrong tokens.
    pub(super) async fn session(
        &self,
        request: &Request,
        rest: &RestContext,
    ) -> Result<Option<AppSession>, SessionError> {
        let bearer = self.bearer.as_deref().filter(|_| !self.administrator);
        let token = match (bearer, &self.sid) {
            (Some(token), _) => token,
            (None, Some(Sid::Console(_))) if self.administrator => return Ok(None),
            (None, Some(Sid::Query(token) | Sid::Console(token))) => token.as_str(),
            (None, Some(Sid::Cookie(token))) => {
                check_cookie(request).map_err(SessionError::Problem)?;
                token.as_str()
            }
            (None, None) => return Ok(None),
        };
        match rest.service.session(token).await {
            Ok(session) => Ok(Some(session)),
            Err(LoginError::Session) => {
                if bearer.is_some() {
                    // It may have been a guess at the administrator's token.
                    let judged = rest.service.judge_token(client_network(request), false);
                    judged.map_err(|throttled| SessionError::Problem(throttled.into()))?;
                }
                Err(SessionError::Login(LoginError::Session))
            }
            Err(error) => Err(SessionError::Login(error)),
        }
    }
}

/// Why a token opens no session.
pub(super) enum SessionError {
    /// It is not valid.
    Login(LoginError),
    /// It is not judged.
    Problem(Problem),
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Login(error) => error.into(),
            SessionError::Problem(problem) => problem,
        }
    }
}

/// The network of the client, by which failed logins are limited; `None`: a call within the process.
pub(super) fn client_network(request: &Request) -> Option<ClientNetwork> {
    let client = request.extensions().get::<ClientInfo>();
    client.map(|client| network(client.ip))
}

/// A host has all addresses of its /64 of IPv6.
fn network(ip: IpAddr) -> ClientNetwork {
    ClientNetwork(match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)).into()
        }
        ip => ip.to_string().into(),
    })
}

fn bearer(request: &Request) -> Option<String> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}

/// The `sid` of the query or of the cookie.
fn sid(request: &Request) -> Result<Option<Sid>, Problem> {
    if let Some(token) = form::value_of(request.uri().query().unwrap_or_default(), SID)?
        .filter(|token| !token.is_empty())
    {
        return Ok(Some(Sid::Query(token)));
    }
    Ok(cookie(request, SID).map(Sid::Cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_of_ipv4_another() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1").0.as_ref(), "2001:db8::/64");
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
