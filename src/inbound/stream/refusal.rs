//! The answers to requests for a stream that are refused.

use std::borrow::Cow;

use hyper::StatusCode;

use crate::core::hub::CloseReason;
use crate::core::service::{ConnectError, HistoryError, HoldTokenError, SubscribeError};
use crate::inbound::listen::ErrorResponse;

/// An error before the stream has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamRefusal {
    status: StatusCode,
    name: &'static str,
    message: Cow<'static, str>,
}

impl StreamRefusal {
    fn new(status: StatusCode, name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            name,
            message: message.into(),
        }
    }

    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn not_acceptable(is_poll: bool) -> Self {
        let message = if is_poll {
            "a request with wait is answered in application/json or application/x-ndjson: accept one"
        } else {
            "a stream is text/event-stream or application/x-ndjson: accept one"
        };
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(super) fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        )
    }

    fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    fn too_many(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
    }

    fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn connect(error: &ConnectError) -> Self {
        use ConnectError as E;
        let text = error.to_string();
        match error {
            E::NoApp => Self::not_found(text),
            E::TlsOnly => Self::forbidden("this app accepts TLS connections only: use https://"),
            E::TlsUnstated | E::Disabled | E::Origin => Self::forbidden(text),
            E::AppFull(_) => Self::too_many(text),
            E::NodeFull | E::Admission | E::Storage(_) => Self::unavailable(text),
        }
    }

    pub(super) fn token(error: &HoldTokenError) -> Self {
        Self::unauthorized(error.to_string())
    }

    /// The app requires a sign-in, which a stream has by its token.
    pub(super) fn not_signed_in() -> Self {
        Self::unauthorized(
            "the app requires a sign-in: send a token with the claim sub, by ?token= or Authorization: Bearer",
        )
    }

    /// A failed subscription. `has_token`: the request has a valid token.
    pub(super) fn subscribe(error: &SubscribeError, has_token: bool) -> Self {
        use SubscribeError as E;
        let text = error.to_string();
        match error {
            E::Signature(_) | E::NotPeer(_) | E::NotUser | E::NoUser if !has_token => {
                Self::unauthorized(
                    "a channel that is not public requires a token: send ?token= or Authorization: Bearer",
                )
            }
            E::NoUser => Self::forbidden("a presence channel requires a token with the claim sub"),
            E::Signature(_) | E::NotPeer(_) | E::NotUser => Self::forbidden(text),
            E::NotCovered | E::NoTokenUser | E::PeerId | E::Members(_) | E::Aliases(_) => {
                Self::forbidden(text)
            }
            E::MemberBytes(_) | E::Channels(_) | E::Since => Self::bad_request(text),
            E::Busy(_) => Self::too_many(text),
            E::Storage(_) | E::Presence => Self::unavailable(text),
        }
    }

    pub(super) fn history(error: &HistoryError) -> Self {
        match error {
            HistoryError::Storage(_) => Self::unavailable(error.to_string()),
            HistoryError::Busy(_) => Self::too_many(error.to_string()),
        }
    }

    /// The server closes the connection before it has answered.
    pub(super) fn closed(reason: CloseReason, text: &'static str) -> Self {
        match reason {
            CloseReason::AppDeleted => Self::not_found(text),
            // A stream is signed in by its token.
            CloseReason::NotSignedIn => {
                Self::unauthorized("the token has expired: continue with a new one")
            }
            CloseReason::AppDisabled | CloseReason::Terminated | CloseReason::Administrator => {
                Self::forbidden(text)
            }
            _ => Self::unavailable(text),
        }
    }

    /// The complete response; `origin` is that of a page that may read it.
    pub(super) fn to_bytes(&self, origin: Option<&str>) -> Vec<u8> {
        let mut further = super::head::cors_lines(origin);
        if self.status == StatusCode::UNAUTHORIZED {
            further.push_str("www-authenticate: Bearer\r\n");
        }
        ErrorResponse::new(self.status, self.name, &self.message).to_bytes_with(&further)
    }
}
