//! An error as an HTTP answer. `table` is the only mapping from the core's and the framework's errors to a status.

mod table;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use super::answer::JSON;
use crate::core::auth;
use crate::inbound::listen::UnknownRoute;
use crate::inbound::wire::push_json_string;

/// The `WWW-Authenticate` challenge of the signed Pusher HTTP API.
pub(super) const SIGNATURE_CHALLENGE: &str = "Pusher-Signature";

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: Cow<'static, str>,
    /// Logged, never answered.
    cause: Option<String>,
    /// The route's methods, with a 405.
    allow: Option<HeaderValue>,
    /// The `WWW-Authenticate` scheme, with a 401.
    challenge: &'static str,
    /// Seconds until another attempt, with a 429 and a 503.
    retry_after: u64,
    /// No route has the path of the request.
    unknown_route: bool,
}

/// The body of an error answer.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct ErrorAnswer {
    /// Always `error`.
    #[oai(validator(pattern = "^error$"))]
    pub result: String,
    /// The kind of error, for programs.
    pub name: String,
    /// What was wrong, and what to do about it.
    pub message: String,
    /// The HTTP status.
    #[oai(validator(minimum(value = "400"), maximum(value = "599")))]
    pub code: i32,
    /// Unique to this answer; the server logs its own errors with it.
    pub uid: String,
}

impl poem_openapi::types::Example for ErrorAnswer {
    fn example() -> Self {
        Self {
            result: "error".into(),
            name: "NotFound".into(),
            message: "there is no such app".into(),
            code: 404,
            uid: "5f0c9e6a8f1b4b0c9b2f6f0d3f7a1e55".into(),
        }
    }
}

impl Problem {
    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
            allow: None,
            challenge: "Bearer",
            retry_after: 1,
            unknown_route: false,
        }
    }

    /// 400: the request is invalid.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: credentials are missing or unknown.
    pub(super) fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 401: the request's signature is missing or wrong.
    pub(super) fn unsigned(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            challenge: SIGNATURE_CHALLENGE,
            ..Self::unauthorized(message)
        }
    }

    /// 403: the caller lacks the permission.
    pub(super) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 408: the body took longer than the limit.
    pub(super) fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time (PUSHI_BODY_TIMEOUT): send it faster",
        )
    }

    /// 413: the body has more bytes than the route's limit, which may be the configured one.
    pub(super) fn too_large(limit: u64, configured: u64) -> Self {
        let setting = if limit == configured {
            " (PUSHI_MAX_BODY_BYTES)"
        } else {
            ""
        };
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {limit} bytes{setting}: send a smaller body"),
        )
    }

    /// 413: a part of the body is too large.
    pub(super) fn too_much(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 415: the route does not accept the body's media type.
    pub(super) fn unsupported_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 429: try again later; `wait` in whole seconds.
    pub(super) fn too_many(message: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        Self {
            retry_after: wait.as_secs().max(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// 503: try again later.
    pub(super) fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 500; the cause is only logged.
    pub(super) fn internal(cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal error: see the server's log",
            )
        }
    }

    /// Adds the `Allow` header.
    pub(super) fn allowing(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    fn caused(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Whether the route exists, but not with this method.
    pub(super) fn is_of_method(&self) -> bool {
        self.status == StatusCode::METHOD_NOT_ALLOWED
    }

    /// Whether the client has to wait.
    pub(super) fn is_throttled(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    fn name(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            408 => "Timeout",
            409 => "Conflict",
            413 => "TooLarge",
            415 => "UnsupportedMediaType",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            code if code < 500 => "Refused",
            _ => "Internal",
        }
    }

    /// The HTTP answer. Logs the cause of a 5xx under the answer's `uid`.
    pub(super) fn into_answer(self) -> Response {
        let uid = auth::random_hex::<16>().unwrap_or_default();
        match (&self.cause, self.status.as_u16()) {
            (Some(cause), 503) => tracing::warn!(uid, cause, "request answered 503"),
            (cause, 500..=502) => tracing::error!(uid, cause, "request failed"),
            _ => {}
        }
        let mut json = String::with_capacity(160 + self.message.len());
        json.push_str("{\"result\":\"error\",\"name\":");
        push_json_string(&mut json, self.name());
        json.push_str(",\"message\":");
        push_json_string(&mut json, &self.message);
        json.push_str(",\"code\":");
        json.push_str(self.status.as_str());
        json.push_str(",\"uid\":");
        push_json_string(&mut json, &uid);
        json.push('}');
        let mut response = Response::builder()
            .status(self.status)
            .content_type(JSON)
            .body(json);
        if self.unknown_route {
            response.extensions_mut().insert(UnknownRoute);
        }
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => drop(headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(self.challenge),
            )),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after)))
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        // Reached only without an edge around the endpoint: the edge converts the problem itself.
        let (message, cause, allow) =
            (self.message.clone(), self.cause.clone(), self.allow.clone());
        Self {
            status: self.status,
            message,
            cause,
            allow,
            challenge: self.challenge,
            retry_after: self.retry_after,
            unknown_route: self.unknown_route,
        }
        .into_answer()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into_answer()
    }
}

impl ApiResponse for Problem {
    /// One answer for all statuses; the document lists those of each operation.
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType {
            content_type: JSON,
            schema: ErrorAnswer::schema_ref(),
        }];
        let response = MetaResponse {
            description: "An error.",
            status: None,
            status_range: None,
            content,
            headers: Vec::new(),
        };
        MetaResponses {
            responses: vec![response],
        }
    }

    fn register(registry: &mut Registry) {
        ErrorAnswer::register(registry);
    }
}
