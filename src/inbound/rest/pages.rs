//! The document, and the page that shows it. The page brings all it needs: nothing is loaded from elsewhere.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};

use super::answer::JSON;
use super::content_policy::{Element, hashes, protect};
use super::document;
use super::problem::Problem;
use super::static_content::StaticContent;

/// The document, and the page that shows it.
pub(super) struct PageRoutes {
    document: Page,
    page: Page,
}

/// Content of a path of its own.
pub(super) struct Page {
    content: StaticContent,
    /// The Content-Security-Policy of a page: its own scripts, and requests to this server; `None`: it is no page.
    policy: Option<HeaderValue>,
}

impl Page {
    /// Answers `GET` and `HEAD`.
    pub(super) async fn answer(&self, request: &Request) -> Response {
        let mut response = self.content.answer(request).await;
        if self.policy.is_some() {
            protect(response.headers_mut(), self.policy.as_ref());
        }
        response
    }
}

impl PageRoutes {
    pub(super) fn new() -> Self {
        let document = document::document();
        let page = page(&document);
        let policy = HeaderValue::try_from(policy(&page)).ok();
        Self {
            document: Page {
                content: StaticContent::new(JSON, document),
                policy: None,
            },
            page: Page {
                content: StaticContent::new("text/html; charset=utf-8", page),
                policy,
            },
        }
    }

    /// What is at a path, if anything.
    pub(super) fn at(&self, path: &str) -> Option<&Page> {
        match path {
            "/openapi.json" => Some(&self.document),
            "/docs" | "/docs/" => Some(&self.page),
            _ => None,
        }
    }
}

/// The methods of a page.
pub(super) const PAGE_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The answer to `OPTIONS`.
pub(super) fn options(methods: HeaderValue) -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ALLOW, methods)
        .finish()
}

/// The answer to a method that a page does not have.
pub(super) fn not_a_page_method() -> Response {
    Problem::from_framework(poem::error::MethodNotAllowedError.into())
        .allowing(PAGE_METHODS)
        .into_answer()
}

/// Names the server by the page's own address, for the page has two: with and without a slash at the end. The framework's
/// text goes on with a semicolon.
const BASE: &str = ";\n    spec.servers[0].url = location.pathname.replace(/\\/docs\\/?$/, \"/\")";

/// Swagger UI as the framework brings it, showing our document in place of its own.
fn page(document: &str) -> String {
    let service = document::service();
    // Inside of a script, only this ends it.
    let document = document.trim_end().replace("</", "<\\/");
    service
        .swagger_ui_html()
        .replacen(&service.spec(), &format!("{document}{BASE}"), 1)
        .replace("\r\n", "\n")
}

/// The page's scripts are allowed by hash. Its styles cannot be: it sets some on elements at run time.
fn policy(page: &str) -> String {
    let scripts = hashes(page, Element::Script);
    format!(
        "default-src 'none'; script-src{scripts}; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_our_document_and_names_its_scripts() {
        let document = document::document();
        let page = page(&document);
        assert!(
            page.contains(document.trim_end()),
            "the document of the framework was not replaced"
        );
        // The library and the few lines that start it.
        assert_eq!(page.matches("</script>").count(), 2);
        assert_eq!(policy(&page).matches("'sha256-").count(), 2);
        assert!(
            !page.contains("src=\"http") && !page.contains("href=\"http"),
            "the page loads something from elsewhere"
        );
    }
}
