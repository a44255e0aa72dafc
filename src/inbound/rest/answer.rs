//! Answers of successful requests.

use std::marker::PhantomData;

use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};

/// The type of every answer.
pub(super) const JSON: &str = "application/json";

/// The body of an answer.
pub(super) enum AnswerBody {
    Text(String),
    /// Sent as the client takes it.
    Stream(Body),
}

/// A 200 whose body is JSON of the schema `T`. Handlers may pass finished JSON, so that nothing is encoded twice.
pub(super) struct JsonAnswer<T> {
    body: AnswerBody,
    cookie: Option<HeaderValue>,
    of: PhantomData<fn() -> T>,
}

impl<T> JsonAnswer<T> {
    /// An answer of this JSON text.
    pub(super) fn text(json: impl Into<String>) -> Self {
        Self::with_body(AnswerBody::Text(json.into()))
    }

    /// An answer of this body.
    pub(super) fn with_body(body: AnswerBody) -> Self {
        Self {
            body,
            cookie: None,
            of: PhantomData,
        }
    }

    /// … that also sets a cookie.
    pub(super) fn with_cookie(mut self, cookie: HeaderValue) -> Self {
        self.cookie = Some(cookie);
        self
    }
}

impl<T: ToJSON> JsonAnswer<T> {
    /// An answer that shows `value`.
    pub(super) fn of(value: &T) -> Self {
        Self::text(value.to_json_string())
    }
}

impl<T> IntoResponse for JsonAnswer<T> {
    fn into_response(self) -> Response {
        let response = Response::builder().content_type(JSON);
        let mut response = match self.body {
            AnswerBody::Text(text) => response.body(text),
            AnswerBody::Stream(body) => response.body(body),
        };
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<T: Type> ApiResponse for JsonAnswer<T> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType {
            content_type: JSON,
            schema: T::schema_ref(),
        }];
        let response = MetaResponse {
            description: "Success.",
            status: Some(200),
            status_range: None,
            content,
            headers: Vec::new(),
        };
        MetaResponses {
            responses: vec![response],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// The response of an operation that returns no data.
#[derive(Debug, Object)]
#[oai(example, rename = "Done")]
pub(super) struct EmptyResult {
    /// Always `success`.
    #[oai(validator(pattern = "^success$"))]
    pub result: String,
}

impl poem_openapi::types::Example for EmptyResult {
    fn example() -> Self {
        Self {
            result: "success".into(),
        }
    }
}

/// The empty answer.
pub(super) fn done<T>() -> JsonAnswer<T> {
    JsonAnswer::text("{\"result\":\"success\"}")
}
