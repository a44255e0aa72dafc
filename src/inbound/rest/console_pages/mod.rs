//! The console: pages for people, from inside the binary. What they show and change they read and send by the API's routes.
//!
//! A page is the same for everybody, so that it is compressed once; names and payloads appear in it by its scripts, as text. Only
//! whoever is signed in gets it.

mod access;
mod app_form;
mod layout;
mod pages;
mod session;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

pub(super) use access::{ConsoleCookie, is_console_served};
pub(super) use session::{ConsoleSessionRoutes, SESSION};

use super::RestContext;
use super::content_policy::protect;
use super::pages::{PAGE_METHODS, not_a_page_method, options};
use super::static_content::StaticContent;
use access::check_served;

/// The folder of the pages.
const FOLDER: &str = "/console";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// The page to sign in with, and the first one after that.
const SIGN_IN: &str = "sign-in";
const FIRST: &str = "overview";

/// The longest query of a page that is kept while somebody signs in.
const MOST_QUERY_BYTES: usize = 2_000;

/// Scripts and style of this server, and requests to it: WebSockets too, which not all browsers count as `'self'`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The console's pages and scripts by their name.
pub(super) struct Console {
    pages: Vec<(&'static str, StaticContent)>,
    scripts: Vec<(&'static str, StaticContent)>,
}

/// A script by its name.
macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("web/", $name)))),*]
    };
}

impl Console {
    pub(super) fn new() -> Self {
        let scripts = scripts![
            "api.mjs",
            "app.mjs",
            "apps.mjs",
            "channels.mjs",
            "charts.mjs",
            "connections.mjs",
            "debugger.mjs",
            "deliveries.mjs",
            "elements.mjs",
            "overview.mjs",
            "shell.mjs",
            "sign-in.mjs",
            "table.mjs",
            "tail.mjs",
        ];
        let pages = pages::all().into_iter();
        Self {
            pages: pages
                .map(|(name, page)| (name, StaticContent::new(HTML, page)))
                .collect(),
            scripts: scripts
                .into_iter()
                .map(|(name, text)| (name, StaticContent::new(SCRIPT, text)))
                .collect(),
        }
    }

    /// The answer; `None`: the path is another's.
    pub(super) async fn answer(&self, rest: &RestContext, request: &Request) -> Option<Response> {
        let path = request.uri().path();
        let name = path.strip_prefix(FOLDER)?;
        if path == SESSION || !(name.is_empty() || name.starts_with('/')) {
            return None;
        }
        let name = name.strip_prefix('/');
        Some(match *request.method() {
            Method::GET | Method::HEAD => match check_served(request, rest) {
                Ok(()) => self.get(rest, request, name).await?,
                Err(problem) => problem.into_answer(),
            },
            Method::OPTIONS => options(PAGE_METHODS),
            _ => not_a_page_method(),
        })
    }

    async fn get(
        &self,
        rest: &RestContext,
        request: &Request,
        name: Option<&str>,
    ) -> Option<Response> {
        if let Some((_, script)) = self
            .scripts
            .iter()
            .find(|(script, _)| Some(*script) == name)
        {
            return Some(script.answer(request).await);
        }
        let is_signed_in = match ConsoleCookie::of(request) {
            Some(cookie) => cookie.access(request, rest).await.is_ok(),
            None => false,
        };
        // The address of the folder has no slash at its end, so its targets are in the folder.
        let Some(name) = name else {
            let page = if is_signed_in { FIRST } else { SIGN_IN };
            return Some(redirect(&format!("console/{page}")));
        };
        if name.is_empty() {
            return Some(redirect(if is_signed_in { FIRST } else { SIGN_IN }));
        }
        let (_, page) = self.pages.iter().find(|(page, _)| *page == name)?;
        match name {
            SIGN_IN if is_signed_in => return Some(redirect(FIRST)),
            SIGN_IN => {}
            _ if !is_signed_in => {
                let next = next_of(name, request.uri().query());
                return Some(redirect(&format!("{SIGN_IN}?next={next}")));
            }
            _ => {}
        }
        let mut response = page.answer(request).await;
        let headers = response.headers_mut();
        protect(headers, Some(&POLICY));
        // Whoever has signed out does not get it from a cache.
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, private"),
        );
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
        Some(response)
    }
}

/// The page that was asked for, with its query, as a value of another query: the query names the app that the page is about.
fn next_of(name: &str, query: Option<&str>) -> String {
    match query.filter(|query| query.len() <= MOST_QUERY_BYTES) {
        Some(query) => {
            utf8_percent_encode(&format!("{name}?{query}"), NON_ALPHANUMERIC).to_string()
        }
        None => name.to_owned(),
    }
}

/// To a page of the same folder: a proxy may serve the server below a path that the server does not know.
fn redirect(to: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .header(header::CACHE_CONTROL, "no-store")
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_or_page_writes_html_or_has_handlers_in_it() {
        let console = Console::new();
        assert_eq!(console.pages.len(), 9);
        for (name, content) in console.pages.iter().chain(&console.scripts) {
            let text = content.text();
            for bad in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " onclick=",
                " style=",
                "src=\"http",
                "href=\"http",
            ] {
                assert!(!text.contains(bad), "{name} has {bad}");
            }
            assert!(
                name.ends_with(".mjs") != text.starts_with("<!DOCTYPE"),
                "{name}"
            );
        }
    }

    #[test]
    fn no_script_is_too_long_to_read() {
        for (name, content) in Console::new().scripts {
            assert!(content.text().lines().count() <= 400, "{name}");
        }
    }
}
