//! The browser's client, `/pushi.js` and its like, its service worker, the style of all pages, and the example pages, from inside the binary.

mod demo;
mod file;
mod script;

use std::sync::Arc;

use poem::http::{HeaderValue, header};
use poem::{Request, Response};

pub use demo::DemoApp;

use super::RestContext;
use file::File;

/// The methods of the files.
pub(super) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

const SCRIPT: &str = "text/javascript; charset=utf-8";
// The media type that Deno expects; browsers ignore it.
const TYPES: &str = "application/typescript; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The colours and fonts of all pages, the only place where they are written.
pub(super) const VARIABLES: &str = include_str!("variables.css");

/// The client and the example pages.
pub(super) struct Web {
    files: Vec<File>,
}

impl Web {
    pub(super) fn new() -> Self {
        let types = concat!(include_str!("pushi.d.ts"), include_str!("web_push.d.ts"));
        let files = vec![
            File::new("/pushi.js", SCRIPT, script::classic()),
            File::new("/pushi.mjs", SCRIPT, script::module()),
            File::new("/pushi.d.ts", TYPES, types.to_owned()),
            // TypeScript looks for this name beside a `pushi.mjs`.
            File::new("/pushi.d.mts", TYPES, types.to_owned()),
            File::new(
                "/pushi-sw.js",
                SCRIPT,
                include_str!("service_worker.js").to_owned(),
            ),
            File::new(
                "/pushi.css",
                STYLE,
                [VARIABLES, include_str!("pushi.css")].concat(),
            ),
            File::new(
                "/examples/web-push.html",
                PAGE,
                include_str!("examples/web-push.html").to_owned(),
            ),
            File::new(
                "/examples/chat.html",
                PAGE,
                include_str!("examples/chat.html").to_owned(),
            ),
        ];
        Self { files }
    }

    /// A static file, readable by pages of every origin. `None` for an unknown path.
    pub(super) async fn file(&self, request: &Request) -> Option<Response> {
        let file = self
            .files
            .iter()
            .find(|file| file.path == request.uri().path())?;
        let mut response = file.answer(request).await;
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("cross-origin"),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        Some(response)
    }

    /// The demo's authentication endpoint. `None` for another path, or without `PUSHI_DEMO`.
    pub(super) async fn demo(rest: &Arc<RestContext>, request: &Request) -> Option<Response> {
        let demo = rest.rules.demo.as_ref()?;
        demo::answer(rest, demo, request).await
    }
}
