//! The document, and the page that shows it. The page brings all it needs: nothing is loaded from elsewhere.

use bytes::Bytes;
use poem::Response;
use poem::http::{HeaderValue, header};

use super::answer::JSON;
use super::content_policy::{Element, hashes, protect};
use super::{document, list};

/// The document, and the page that shows it.
pub(super) struct PageRoutes {
    document: Bytes,
    page: Bytes,
    /// The page's Content-Security-Policy: its own scripts, and requests to this server.
    policy: Option<HeaderValue>,
}

impl PageRoutes {
    pub(super) fn new() -> Self {
        let document = document::document();
        let page = page(&document);
        let policy = HeaderValue::try_from(policy(&page)).ok();
        Self {
            document: document.into(),
            page: page.into(),
            policy,
        }
    }

    /// The page at a path, if any.
    pub(super) fn at(&self, path: &str) -> Option<Response> {
        let (content_type, body, shown) = match path {
            "/openapi.json" => (JSON, &self.document, false),
            "/docs" | "/docs/" => ("text/html; charset=utf-8", &self.page, true),
            _ => return None,
        };
        let mut response = Response::builder()
            .content_type(content_type)
            .header(header::CONTENT_LENGTH, body.len())
            .body(list::shared_body(body.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if shown {
            protect(headers, self.policy.as_ref());
        }
        Some(response)
    }
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
