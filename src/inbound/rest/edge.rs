//! The outer layer of every request: CORS, the body limit, and one form of errors.
//!
//! One endpoint instead of a chain of middlewares: every publish passes it, and each layer would cost an allocation.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use poem::http::{HeaderValue, Method, Uri, header};
use poem::{Endpoint, Request, Response};
use poem_openapi::OpenApi;

use super::asyncapi::WebSocketPages;
use super::body::declared_length;
use super::console_pages::Console;
use super::cors::Cors;
use super::front::FrontDoor;
use super::pages::{PAGE_METHODS, PageRoutes, not_a_page_method, options};
use super::problem::Problem;
use super::security::OPERATIONS;
use super::streams;
use super::targets::encode_raw_address;
use super::unsubscribe::UnsubscribePage;
use super::web::Web;
use super::{RestContext, Routes};
use crate::core::ports::HttpRefusal;

/// Around the API's endpoint.
pub(super) struct Edge<E> {
    rest: Arc<RestContext>,
    api: E,
    console: Console,
    cors: Cors,
    front: FrontDoor,
    pages: PageRoutes,
    websocket_pages: WebSocketPages,
    unsubscribe: UnsubscribePage,
    web: Web,
    known: Known,
}

impl<E: Endpoint<Output = Response>> Edge<E> {
    pub(super) fn new(rest: Arc<RestContext>, api: E) -> Self {
        let cors = Cors::new(rest.rules.allowed_origins.clone());
        let websocket_pages = WebSocketPages::new(rest.rules.path_prefix.as_deref());
        Self {
            rest,
            api,
            console: Console::new(),
            cors,
            front: FrontDoor::new(),
            pages: PageRoutes::new(),
            websocket_pages,
            unsubscribe: UnsubscribePage::new(),
            web: Web::new(),
            known: Known::new(),
        }
    }

    async fn answer(&self, mut request: Request) -> Response {
        if let Some(response) = Cors::preflight(&request) {
            return response;
        }
        if request.uri().path() == "/" {
            return match *request.method() {
                Method::GET | Method::HEAD => self.front.answer(&self.rest, &request).await,
                // Probes ask for the root and take no other status.
                Method::OPTIONS => Response::builder()
                    .header(header::ALLOW, PAGE_METHODS)
                    .finish(),
                _ => not_a_page_method(),
            };
        }
        if let Some(page) = self.pages.at(request.uri().path()) {
            return match *request.method() {
                Method::GET | Method::HEAD => page.answer(&request).await,
                Method::OPTIONS => options(PAGE_METHODS),
                _ => not_a_page_method(),
            };
        }
        if let Some(response) = self.websocket_pages.answer(&request).await {
            return response;
        }
        if let Some(response) = self.console.answer(&self.rest, &request).await {
            return response;
        }
        if let Some(response) = self.unsubscribe.answer(&self.rest, &request).await {
            return response;
        }
        if *request.method() == Method::GET
            && let Some(response) = Web::demo(&self.rest, &request).await
        {
            return response;
        }
        if let Some(problem) = self.too_large(&request) {
            return problem.into_answer();
        }
        if *request.method() == Method::DELETE
            && let Some(encoded) = encode_raw_address(request.uri())
        {
            *request.uri_mut() = encoded;
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        request.extensions_mut().insert(Arc::clone(&self.rest));
        match self.api.call(request).await {
            Ok(response) => response,
            Err(error) => {
                let mut problem = Problem::from_framework(error);
                if problem.is_of_method()
                    && let Some(methods) = self.known.methods(uri.path())
                {
                    if method == Method::OPTIONS {
                        return options(methods);
                    }
                    problem = problem.allowing(methods);
                }
                let response = problem.into_answer();
                if method == Method::HEAD {
                    without_body(response)
                } else {
                    response
                }
            }
        }
    }

    /// A body whose `Content-Length` exceeds the limit is not read.
    fn too_large(&self, request: &Request) -> Option<Problem> {
        let limit = self.rest.body_limit(request.uri().path());
        let length = declared_length(request.headers())?;
        (length > limit).then(|| {
            let metrics = self.rest.service.hub().metrics();
            metrics.http_refused(HttpRefusal::BodyBytes);
            Problem::too_large(limit, self.rest.service.rules().limits.body_bytes)
        })
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        if let Some(prefix) = &self.rest.rules.path_prefix {
            remove_prefix(&mut request, prefix);
        }
        if let Some(response) = self.web.file(&request).await {
            return Ok(response);
        }
        let of_operations = OPERATIONS.contains(&request.uri().path());
        let grant = self.cors.grant(&request).filter(|_| !of_operations);
        // A panic in one request must not close the connection. Its state is not shared.
        let mut response = match AssertUnwindSafe(self.answer(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => Problem::internal("the request panicked").into_answer(),
        };
        let headers = response.headers_mut();
        // API answers must not be cached; static pages may be.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        self.cors.dress(headers, grant);
        Ok(response)
    }
}

/// Removes the prefix of a proxy that does not strip it.
fn remove_prefix(request: &mut Request, prefix: &str) {
    let uri = request.uri();
    let Some(rest) = uri.path().strip_prefix(prefix) else {
        return;
    };
    if !(rest.is_empty() || rest.starts_with('/')) {
        return;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // A part of a valid target is valid.
    if let Ok(target) = Uri::try_from(target) {
        *request.uri_mut() = target;
    }
}

fn without_body(mut response: Response) -> Response {
    response.set_body(());
    response
}

/// The methods of every route, for the `Allow` header of a 405.
struct Known(Vec<(String, HeaderValue)>);

impl Known {
    fn new() -> Self {
        let paths = Routes::meta().into_iter().flat_map(|api| api.paths);
        let mut known: Vec<(String, HeaderValue)> = paths
            .filter_map(|path| {
                let mut methods: Vec<String> = path
                    .operations
                    .iter()
                    .map(|operation| operation.method.to_string())
                    .collect();
                if methods.iter().any(|method| method == "GET") {
                    methods.push("HEAD".into());
                }
                // The listener answers it.
                if path.path == streams::PATH {
                    methods.insert(0, "GET".into());
                }
                methods.push("OPTIONS".into());
                Some((path.path, HeaderValue::try_from(methods.join(", ")).ok()?))
            })
            .collect();
        // As in routing, a path that is named counts before one that could be any.
        known.sort_by_key(|(path, _)| path.matches('{').count());
        Self(known)
    }

    fn methods(&self, path: &str) -> Option<HeaderValue> {
        let fits = |route: &str| {
            route.split('/').count() == path.split('/').count()
                && route
                    .split('/')
                    .zip(path.split('/'))
                    .all(|(part, given)| part.starts_with('{') || part == given)
        };
        self.0
            .iter()
            .find(|(route, _)| fits(route))
            .map(|(_, methods)| methods.clone())
    }
}
