//! Errors on their way out: the only table from what can go wrong to HTTP.

use std::borrow::Cow;
use std::fmt;

use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError, ResponseError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use super::answer::JSON;
use crate::core::auth;
use crate::core::error::StorageError;
use crate::core::model::{IdentError, NameError};
use crate::core::service::{
    AppError, HistoryError, LoginError, PublishError, RosterError, SignedError, SubscriptionError,
};
use crate::inbound::wire::push_json_string;

/// How a request to the Pusher HTTP API shows who sends it, in `WWW-Authenticate`.
pub const SIGNATURE_CHALLENGE: &str = "Pusher-Signature";

/// What went wrong, as it is answered.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    message: Cow<'static, str>,
    /// For the log alone.
    cause: Option<String>,
    /// The methods that the route has.
    allow: Option<HeaderValue>,
    /// With a 401: how to show who one is.
    challenge: &'static str,
}

/// What an error answers.
#[derive(Debug, Object)]
#[oai(example)]
pub struct ErrorAnswer {
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
    /// Unique to this answer; errors of the server are logged with it.
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
        }
    }

    /// 400: the request cannot be meant.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: it is not known who asks.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 401: the request is not signed as it must be.
    pub fn unsigned(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            challenge: SIGNATURE_CHALLENGE,
            ..Self::unauthorized(message)
        }
    }

    /// 403: who asks may not.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 413: the body has more bytes than the limit.
    pub fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {limit} bytes (PUSHI_MAX_BODY_BYTES): send less"),
        )
    }

    /// 413: what stands in the body is too large.
    pub fn too_much(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 415: the body's type is none that the route reads.
    pub fn unsupported_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 503: try again later.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 500, with what only the log may say.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the server failed: its log says why",
            )
        }
    }

    /// Says which methods the route has (`Allow`).
    pub fn allowing(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    fn caused(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Whether a route was there, without this method.
    pub fn is_of_method(&self) -> bool {
        self.status == StatusCode::METHOD_NOT_ALLOWED
    }

    fn name(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            409 => "Conflict",
            413 => "TooLarge",
            415 => "UnsupportedMediaType",
            503 => "ServiceUnavailable",
            code if code < 500 => "Refused",
            _ => "Internal",
        }
    }

    /// The answer, in the form of the protocol page; what the server is to blame for is logged.
    pub fn into_answer(self) -> Response {
        let uid = auth::random_hex::<16>().unwrap_or_default();
        match (&self.cause, self.status.as_u16()) {
            (Some(cause), 503) => tracing::warn!(uid, cause, "a request was answered 503"),
            (cause, 500..=502) => tracing::error!(uid, cause, "a request failed"),
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
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => drop(headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(self.challenge),
            )),
            StatusCode::SERVICE_UNAVAILABLE => {
                drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => {}
        }
        response
    }

    /// What the framework says of a request, in our words.
    pub fn from_framework(error: poem::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if error.is::<NotFoundError>() {
            return Self::not_found("there is no such route: see /docs");
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the route has no such method: see /docs",
            );
        }
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Self::of_parameter(error.name, &error.reason);
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            // The framework counts path parameters; their names say nothing to the caller.
            return Self::of_parameter("in the path", &error.reason);
        }
        if let Some(error) = error.downcast_ref::<ReadBodyError>() {
            return Self::bad_request(format!("the body could not be read: {error}"));
        }
        let status = error.status();
        if status.is_server_error() {
            Self::internal(error.to_string())
        } else {
            Self::new(status, error.to_string())
        }
    }

    /// The framework wraps what our parameter types say; the caller needs only that.
    fn of_parameter(name: &str, reason: &str) -> Self {
        if reason.contains("expects an input value") {
            return Self::bad_request(format!("the parameter {name} is missing, or is not UTF-8"));
        }
        let inner = reason.split_once("\": ").map_or(reason, |(_, inner)| inner);
        let inner = inner
            .split_once(" (occurred while parsing")
            .map_or(inner, |(inner, _)| inner);
        Self::bad_request(format!("the parameter {name} {inner}"))
    }

    fn of_storage(message: String, error: &StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => Self::unavailable(message).caused(error.chain()),
            StorageError::NotFound | StorageError::Conflict(_) | StorageError::Corrupt(_) => {
                Self::internal(error.chain())
            }
        }
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
        // Only reached where no edge is around the endpoint; the edge takes the problem itself.
        let (message, cause, allow) =
            (self.message.clone(), self.cause.clone(), self.allow.clone());
        Self {
            status: self.status,
            message,
            cause,
            allow,
            challenge: self.challenge,
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
    /// One answer for all of them; the document names the statuses that an operation can have.
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

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let message = error.to_string();
        match error {
            AppError::NotFound => Self::not_found(message),
            AppError::Taken(_) => Self::new(StatusCode::CONFLICT, message),
            AppError::Name => Self::bad_request(message),
            AppError::Storage(error) => Self::of_storage(message, &error),
            AppError::Random(error) => Self::internal(error.to_string()),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let message = error.to_string();
        match error {
            LoginError::Credentials | LoginError::Session => Self::unauthorized(message),
            LoginError::Disabled => Self::forbidden(message),
            LoginError::Storage(error) => Self::of_storage(message, &error),
            LoginError::Random(error) => Self::internal(error.to_string()),
        }
    }
}

impl From<SignedError> for Problem {
    fn from(error: SignedError) -> Self {
        let message = error.to_string();
        match error {
            SignedError::NoApp => Self::not_found(message),
            SignedError::Signature(_) => Self::unsigned(message),
            SignedError::Disabled => Self::forbidden(message),
            SignedError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let message = error.to_string();
        match error {
            // Only sockets meet these two.
            PublishError::NotOnChannel | PublishError::ClientPublishOff => Self::forbidden(message),
            // The writer has logged the cause.
            PublishError::Storage(StorageError::Unavailable(_)) => Self::unavailable(message),
            PublishError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        Self::of_storage(error.to_string(), &error.0)
    }
}

impl From<RosterError> for Problem {
    fn from(error: RosterError) -> Self {
        Self::unavailable(error.to_string()).caused(error.0.to_string())
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        let message = error.to_string();
        match error {
            SubscriptionError::Kind => Self::bad_request(message),
            SubscriptionError::Storage(error) => Self::of_storage(message, &error),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<IdentError> for Problem {
    fn from(error: IdentError) -> Self {
        Self::bad_request(error.to_string())
    }
}
