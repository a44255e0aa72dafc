//! The AsyncAPI document of the WebSocket protocols, and the page that shows it. The document is written by hand: `openapi/asyncapi.json`.

mod members;
mod page;

use bytes::Bytes;
use poem::http::{HeaderValue, header};
use poem::{Request, Response};
use serde_json::Value;

use super::answer::JSON;
use super::content_policy::{Element, hashes, protect};
use super::list;
use crate::inbound::listen::{ClientInfo, ForwardedHosts};

/// The AsyncAPI document as it is committed: with the address of a server on this machine.
pub fn asyncapi_document() -> &'static str {
    include_str!("../../../../openapi/asyncapi.json")
}

/// What stands for the server's address until a request states it.
const HOST: &str = "server-host.invalid";
const SCHEME: &str = "server-scheme.invalid";

/// The address where a request names none, as HTTP/1.0 permits.
const UNKNOWN_HOST: &str = "127.0.0.1:9090";

/// The document, and the page that shows it.
pub(super) struct WebSocketPages {
    document: String,
    page: String,
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
            document: format!("{document:#}\n"),
            page,
            policy: HeaderValue::try_from(policy).ok(),
        }
    }

    /// The document or the page, if the request is for one of them.
    pub(super) fn at(&self, request: &Request) -> Option<Response> {
        let (content_type, template, shown) = match request.uri().path() {
            "/asyncapi.json" => (JSON, &self.document, false),
            "/docs/websocket" => ("text/html; charset=utf-8", &self.page, true),
            _ => return None,
        };
        let body = template
            .replace(HOST, host(request).unwrap_or(UNKNOWN_HOST))
            .replace(SCHEME, scheme(request));
        let mut response = Response::builder()
            .content_type(content_type)
            .header(header::CONTENT_LENGTH, body.len())
            .body(list::shared_body(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if shown {
            protect(headers, self.policy.as_ref());
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
    fn the_policy_has_the_hash_of_the_style_and_no_script() {
        let pages = WebSocketPages::new(None);
        let policy = pages.policy.as_ref().map(|policy| policy.as_bytes());
        let policy = String::from_utf8_lossy(policy.unwrap_or_default());
        assert_eq!(policy.matches("'sha256-").count(), 1, "{policy}");
        assert!(!pages.page.contains("<script"));
    }

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
