//! The server's root: a page for browsers, and JSON for all other clients.

use std::sync::atomic::Ordering;

use poem::http::{HeaderValue, Method, header};
use poem::{Request, Response};
use serde_json::{Value, json};

use super::answer::JSON;
use super::console_pages::is_console_served;
use super::content_policy::{Element, hashes, protect};
use super::local::is_local;
use super::static_content::StaticContent;
use super::{RestContext, document};
use crate::core::service::bootstrap::FIRST_APP;

/// The page, from inside the binary. What it shows of the server it reads as JSON from its own address.
pub(super) struct FrontDoor {
    page: StaticContent,
    policy: Option<HeaderValue>,
}

impl FrontDoor {
    pub(super) fn new() -> Self {
        let page = include_str!("front.html");
        Self {
            page: StaticContent::new("text/html; charset=utf-8", page),
            policy: HeaderValue::try_from(policy(page)).ok(),
        }
    }

    /// Answers `GET` and `HEAD` with 200, whatever the state: probes ask for the root.
    pub(super) async fn answer(&self, rest: &RestContext, request: &Request) -> Response {
        let mut response = if prefers_page(request) {
            let mut page = self.page.answer(request).await;
            protect(page.headers_mut(), self.policy.as_ref());
            page
        } else {
            let body = about(rest, request).await.to_string();
            let mut about = Response::builder().content_type(JSON).body(body);
            if *request.method() == Method::HEAD {
                about.set_body(());
            }
            let headers = about.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            about
        };
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// Whether the client names HTML among what it accepts, as browsers do when they open an address.
fn prefers_page(request: &Request) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_html = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("text/html"));
            is_html && !parts.any(is_refusal)
        })
}

/// Whether a parameter of a media range is a weight of zero (RFC 9110, section 12.4.2).
fn is_refusal(parameter: &str) -> bool {
    let weight = parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, weight)| weight.trim().parse() == Ok(0.0))
}

/// What this server is; the addresses are relative.
async fn about(rest: &RestContext, request: &Request) -> Value {
    let status = if !rest.rules.ready.load(Ordering::Acquire) {
        "draining"
    } else if rest.service.health().await.store.is_err() {
        "unavailable"
    } else {
        "ok"
    };
    let mut about = json!({
        "name": document::TITLE,
        "version": rest.rules.version,
        "status": status,
        "documentation": "docs",
        "openapi": "openapi.json",
        "asyncapi": "asyncapi.json",
        "health": "health",
        "client": "pushi.js",
        "example": "examples/chat.html",
    });
    if is_console_served(request, rest) {
        about["console"] = "console".into();
    }
    if is_local(request)
        && let Some(key) = first_key(rest).await
    {
        about["app"] = json!({ "key": key });
    }
    about
}

/// The key of the app of a first start, as long as it is the only one.
async fn first_key(rest: &RestContext) -> Option<String> {
    let mut apps = rest.service.apps(0, 2).await.ok()?;
    let app = apps
        .pop()
        .filter(|app| apps.is_empty() && app.name == FIRST_APP)?;
    Some(app.key)
}

/// The page's own script and style, the client and the style of all pages beside it, and connections to this server: WebSockets too, which not all
/// browsers count as `'self'`.
fn policy(page: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self'{}; img-src data:; connect-src 'self' ws: wss:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hashes(page, Element::Script),
        hashes(page, Element::Style),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_prefer_the_page() {
        let accepting = |accept: &str| {
            prefers_page(&Request::builder().header(header::ACCEPT, accept).finish())
        };
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json;q=0.5, Text/HTML;charset=utf-8;q=0.7",
        ] {
            assert!(accepting(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html;q=0, */*",
            "text/html; q=0.000",
            "text/htmlx",
        ] {
            assert!(!accepting(accept), "{accept}");
        }
    }

    #[test]
    fn the_policy_has_the_hash_of_each_inline_script_and_style() {
        let policy = policy(include_str!("front.html"));
        assert_eq!(policy.matches("'sha256-").count(), 3, "{policy}");
    }
}
