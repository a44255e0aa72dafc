//! CORS: origins whose pages may read answers, never with credentials (a page sends its token itself).
//!
//! `poem::middleware::Cors` is not used: it answers 403 to a request of an unlisted origin, which a
//! back end may send, too, and it never answers `*`.

use poem::http::{HeaderMap, HeaderValue, Method, header};
use poem::{Request, Response};

use crate::core::model::origin::is_allowed;

/// The answer to preflights.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
/// The last four are added by clients of streams, by Ajax libraries and by Laravel Echo.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Cache-Control, Last-Event-ID, X-Requested-With, X-Socket-Id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After");

/// How long a browser may cache a preflight, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// Which pages of other origins may read answers.
pub(super) struct Cors {
    /// Empty: any.
    allowed: Vec<String>,
}

impl Cors {
    /// Those of the list; empty, or with `*` in it: any.
    pub(super) fn new(mut allowed: Vec<String>) -> Self {
        if allowed.iter().any(|origin| origin == "*") {
            allowed.clear();
        }
        Self { allowed }
    }

    /// The origin that an answer names; `None`: the asking page may not read it.
    pub(super) fn grant(&self, request: &Request) -> Option<HeaderValue> {
        if self.allowed.is_empty() {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = request.headers().get(header::ORIGIN)?;
        let named = origin.to_str().ok()?;
        is_allowed(&self.allowed, named).then(|| origin.clone())
    }

    /// The answer to a preflight; `None`: it is not one.
    pub(super) fn preflight(request: &Request) -> Option<Response> {
        let headers = request.headers();
        let asks = headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        (request.method() == Method::OPTIONS && asks).then(|| {
            let mut response = Response::builder()
                .status(poem::http::StatusCode::NO_CONTENT)
                .finish();
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
            response
        })
    }

    /// Adds the CORS headers to an answer.
    pub(super) fn dress(&self, headers: &mut HeaderMap, grant: Option<HeaderValue>) {
        if !self.allowed.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(grant) = grant {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, grant);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
