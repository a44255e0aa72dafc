//! The AsyncAPI document of the WebSocket protocols, and the page that shows it. The document is written by hand: `openapi/asyncapi.json`.

mod members;
mod page;

use poem::http::{HeaderValue, Method, header};
use poem::{Request, Response};
use serde_json::Value;

use super::answer::JSON;
use super::content_policy::{Element, hashes, protect};
use super::pages::{PAGE_METHODS, not_a_page_method, options};
use super::static_content::TemplateContent;
use crate::inbound::listen::{ClientInfo, ForwardedHosts};

/// The AsyncAPI document as it is committed: with the address of a server on this machine.
pub fn asyncapi_document() -> &'static str {
    include_str!("../../../../openapi/asyncapi.json")
}

/// What stands for the server's address until a request states it.
const HOST: &str = "server-host.invalid";
const SCHEME: &str = "server-scheme.invalid";
const MARKS: [&str; 2] = [HOST, SCHEME];

/// The address where a request names none, as HTTP/1.0 permits.
const UNKNOWN_HOST: &str = "127.0.0.1:9090";

/// The document, and the page that shows it.
pub(super) struct WebSocketPages {
    document: TemplateContent<2>,
    page: TemplateContent<2>,
    policy: Option<HeaderValue>,
}

impl WebSocketPages {
    /// `path_prefix`: the path below which a proxy serves the server.
    pub(super) fn new(path_prefix: Option<&str>) -> Self {
        let mut document: Value = serde_json::from_str(asyncapi_document()).unwrap_or_default();
        let server = &mut document["servers"]["pushi"];
        server["host"] = HOST.into();
        server["protocol"] = SCHEME.into();
        if let Some(prefix) = path_prefix {
            server["pathname"] = prefix.into();
        }
        let address = format!("{SCHEME}://{HOST}{}", path_prefix.unwrap_or_default());
        let page = page::page(&document, &address).into_string();
        let policy = format!(
            "default-src 'none'; style-src{}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hashes(&page, Element::Style)
        );
        Self {
            document: TemplateContent::new(JSON, &format!("{document:#}\n"), MARKS),
            page: TemplateContent::new("text/html; charset=utf-8", &page, MARKS),
            policy: HeaderValue::try_from(policy).ok(),
        }
    }

    /// The document or the page, if the path is that of one of them.
    pub(super) async fn answer(&self, request: &Request) -> Option<Response> {
        let (content, is_page) = match request.uri().path() {
            "/asyncapi.json" => (&self.document, false),
            "/docs/websocket" => (&self.page, true),
            _ => return None,
        };
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Some(options(PAGE_METHODS)),
            _ => return Some(not_a_page_method()),
        }
        let host = host(request).unwrap_or(UNKNOWN_HOST);
        let mut response = content.answer(request, [host, scheme(request)]).await;
        if is_page {
            protect(response.headers_mut(), self.policy.as_ref());
        }
        Some(response)
    }
}

/// The server's name for the client: the one that a trusted proxy forwards, or that of the request. Only characters of an
/// authority, so that it can stand in JSON and HTML.
fn host(request: &Request) -> Option<&str> {
    let forwarded = request.extensions().get::<ForwardedHosts>();
    let forwarded = forwarded.and_then(|hosts| hosts.0.first());
    let host = match forwarded {
        Some(host) => Some(host.trim()),
        None => request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| request.uri().authority().map(|host| host.as_str())),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte);
    host.filter(|host| !host.is_empty() && host.bytes().all(is_plain))
}

fn scheme(request: &Request) -> &'static str {
    let client = request.extensions().get::<ClientInfo>();
    if client.is_some_and(|client| client.secure) {
        "wss"
    } else {
        "ws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_none_does_not_enter_the_document() {
        let asking = |host: &str| Request::builder().header(header::HOST, host).finish();
        for (sent, named) in [
            ("realtime.example:8443", Some("realtime.example:8443")),
            ("[::1]:9090", Some("[::1]:9090")),
            ("a\"b", None),
            ("a<b", None),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(host(&asking(sent)), named, "{sent}");
        }
    }
}
