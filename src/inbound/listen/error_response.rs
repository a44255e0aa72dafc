//! Error responses that do not come from the REST API, in the same JSON form as its errors.

use hyper::StatusCode;
use poem::Response;
use serde::Serialize;

use super::upgrade::{UpgradeError, UpgradeRefusal};
use crate::core::auth::random_hex;
use crate::core::ports::HttpRefusal;

#[derive(Serialize)]
struct ErrorBody<'a> {
    result: &'static str,
    name: &'a str,
    message: &'a str,
    code: u16,
    uid: String,
}

/// An error response that is sent before the REST API receives the request, for example to a
/// malformed head or a refused upgrade. The connection is closed after it.
pub(crate) struct ErrorResponse<'a> {
    status: StatusCode,
    name: &'a str,
    message: &'a str,
}

impl<'a> ErrorResponse<'a> {
    /// `status` is between 400 and 599.
    pub(crate) fn new(status: StatusCode, name: &'a str, message: &'a str) -> Self {
        Self {
            status,
            name,
            message,
        }
    }

    /// 400 for a request that is not valid HTTP.
    pub(super) fn malformed(message: &'a str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 426 for a request to a WebSocket address that is no upgrade to version 13.
    pub(super) fn upgrade_required(message: &'a str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", message)
    }

    /// The response to an upgrade that failed.
    pub(super) fn for_upgrade(error: &'a UpgradeError) -> Self {
        match error {
            UpgradeError::Handshake(message) => Self::malformed(message),
            UpgradeError::Version => Self::upgrade_required("Sec-WebSocket-Version must be 13"),
            UpgradeError::Refused(UpgradeRefusal {
                status,
                name,
                message,
            }) => Self::new(
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
                name,
                message,
            ),
        }
    }

    /// The response to a connection over a limit.
    pub(super) fn too_many_connections(refusal: HttpRefusal) -> Self {
        if refusal == HttpRefusal::ConnectionsOfAddress {
            let message = "too many HTTP connections of this address (PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS): keep and reuse connections";
            return Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        }
        let message = "the server has reached its limit of HTTP connections (PUSHI_MAX_HTTP_CONNECTIONS): try again later";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        )
    }

    /// Between 400 and 599.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    fn body(&self) -> Vec<u8> {
        // The uid identifies the response in a report; it is empty if no random numbers are
        // available.
        let uid = random_hex::<16>().unwrap_or_default();
        let body = ErrorBody {
            result: "error",
            name: self.name,
            message: self.message,
            code: self.status.as_u16(),
            uid,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // RFC 9110, section 15.5.22, and RFC 6455, section 4.4.
        let upgrade = self.status == StatusCode::UPGRADE_REQUIRED;
        let connection = if upgrade { "Upgrade, close" } else { "close" };
        let common = [
            ("content-type", "application/json; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("connection", connection),
        ];
        let later = matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let supported = [("upgrade", "websocket"), ("sec-websocket-version", "13")];
        common
            .into_iter()
            .chain(supported.into_iter().filter(move |_| upgrade))
            .chain(later.then_some(("retry-after", "1")))
    }

    /// The complete HTTP/1.1 response.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_with("")
    }

    /// The same with further header lines, each with its line end.
    pub(crate) fn to_bytes_with(&self, further: &str) -> Vec<u8> {
        let body = self.body();
        let mut text = format!(
            "HTTP/1.1 {} {}\r\n",
            self.status.as_u16(),
            self.status.canonical_reason().unwrap_or("Error")
        );
        for (name, value) in self.headers() {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(further);
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        [text.into_bytes(), body].concat()
    }

    /// The response as poem's type, for a request that hyper serves.
    pub(super) fn to_response(&self) -> Response {
        let response = Response::builder().status(self.status);
        self.headers()
            .fold(response, |response, (name, value)| {
                response.header(name, value)
            })
            .body(self.body())
    }
}
