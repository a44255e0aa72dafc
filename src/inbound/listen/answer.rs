//! Error answers from before the REST API: the JSON form of the protocol page.

use hyper::StatusCode;
use poem::Response;
use serde::Serialize;

use super::upgrade::{Declined, Refusal};
use crate::core::auth::random_hex;

#[derive(Serialize)]
struct ErrorBody<'a> {
    result: &'static str,
    name: &'a str,
    message: &'a str,
    code: u16,
    uid: String,
}

/// An error that is answered before the REST API sees the request. The connection is closed behind it.
pub struct Problem<'a> {
    status: StatusCode,
    name: &'a str,
    message: &'a str,
    /// Says which version of WebSocket is spoken.
    version: bool,
}

impl<'a> Problem<'a> {
    /// A problem with a status between 400 and 599.
    pub fn new(status: StatusCode, name: &'a str, message: &'a str) -> Self {
        Self {
            status,
            name,
            message,
            version: false,
        }
    }

    /// 400 for a head that is not HTTP.
    pub fn malformed(message: &'a str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// What an upgrade that was declined is answered.
    pub fn declined(declined: &'a Declined) -> Self {
        match declined {
            Declined::Handshake(message) => {
                Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
            }
            Declined::Version => {
                let message = "Sec-WebSocket-Version must be 13";
                Self {
                    version: true,
                    ..Self::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", message)
                }
            }
            Declined::Refused(Refusal {
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

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn body(&self) -> Vec<u8> {
        // The uid only helps to find the answer in a log; without random numbers it is empty.
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
        let always = [
            ("content-type", "application/json; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("connection", "close"),
        ];
        always
            .into_iter()
            .chain(self.version.then_some(("sec-websocket-version", "13")))
    }

    /// As the bytes of a whole HTTP/1.1 answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        let mut text = format!(
            "HTTP/1.1 {} {}\r\n",
            self.status.as_u16(),
            self.status.canonical_reason().unwrap_or("Error")
        );
        for (name, value) in self.headers() {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        [text.into_bytes(), body].concat()
    }

    /// As a poem answer.
    pub fn to_response(&self) -> Response {
        let answer = Response::builder().status(self.status);
        self.headers()
            .fold(answer, |answer, (name, value)| answer.header(name, value))
            .body(self.body())
    }
}
