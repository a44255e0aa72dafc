//! The AsyncAPI document and the page that shows it.

use poem::http::Method;
use pushi::inbound::rest::asyncapi_document;
use serde_json::Value;

use crate::rest::start;

fn committed() -> Value {
    serde_json::from_str(asyncapi_document()).unwrap()
}

#[tokio::test]
async fn the_document_is_served_with_the_address_of_the_request() {
    let api = start().await;
    for (host, named) in [
        ("realtime.example:8443", "realtime.example:8443"),
        ("[::1]:9090", "[::1]:9090"),
        ("a\"b", "127.0.0.1:9090"),
    ] {
        let request = api.ask(Method::GET, "/asyncapi.json");
        let reply = request.header("host", host).send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "application/json")
        );
        assert_eq!(reply.header("cache-control"), "no-cache");
        let mut expected = committed();
        expected["servers"]["pushi"]["host"] = named.into();
        assert_eq!(reply.json(), expected);
    }
}

#[tokio::test]
async fn the_page_shows_every_frame_and_runs_no_script() {
    let api = start().await;
    let request = api.ask(Method::GET, "/docs/websocket");
    let reply = request.header("host", "realtime.example").send().await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(reply.header("x-frame-options"), "DENY");
    let policy = reply.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe")
            && !policy.contains("script-src")
            && policy.matches("'sha256-").count() == 1,
        "{policy}"
    );
    let page = &reply.text;
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href=\"http"));
    for (dialect, address) in [
        ("pushi", "ws://realtime.example/APP_KEY"),
        ("pusher", "ws://realtime.example/app/APP_KEY"),
    ] {
        assert!(page.contains(address), "{address}");
        let document = committed();
        let messages = &document["channels"][dialect]["messages"];
        for (key, message) in messages.as_object().unwrap() {
            let place = format!("id=\"{dialect}-{key}\"");
            assert_eq!(page.matches(&place).count(), 1, "{place}");
            assert!(
                page.contains(message["title"].as_str().unwrap()),
                "{message}"
            );
        }
    }
    for code in ["4321", "4302", "4202"] {
        assert!(page.contains(&format!("<code>{code}</code>")), "{code}");
    }
    // Each link within the page has its place.
    for link in page.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

/// A client that keeps the page of one address does not take it for that of another one.
#[tokio::test]
async fn each_address_and_encoding_has_a_tag_of_its_own() {
    let api = start().await;
    for path in ["/asyncapi.json", "/docs/websocket"] {
        let mut tags = Vec::new();
        for (host, secure, encoding) in [
            ("a.example", false, ""),
            ("a.example", false, "gzip"),
            ("a.example", true, ""),
            ("a.example", true, "gzip"),
            ("b.example", false, ""),
            ("b.example", false, "gzip"),
        ] {
            let ask = |method: Method| {
                let mut ask = api.ask(method, path).header("host", host);
                ask.client.secure = secure;
                ask.header("accept-encoding", encoding)
            };
            let (parts, body) = ask(Method::GET).unread().await.into_parts();
            let tag = parts.headers["etag"].to_str().unwrap().to_owned();
            assert_eq!(parts.headers["vary"], "Accept-Encoding");
            assert!(!tags.contains(&tag), "{path} {host} {secure} {encoding}");
            let known = ask(Method::GET).header("if-none-match", &tag).send().await;
            assert_eq!(known.status, 304);
            let mut head = ask(Method::HEAD).unread().await;
            assert_eq!(head.headers(), &parts.headers);
            assert!(head.take_body().into_vec().await.unwrap().is_empty());
            let length = body.into_vec().await.unwrap().len().to_string();
            assert_eq!(parts.headers["content-length"], length.as_str());
            tags.push(tag);
        }
        let options = api.ask(Method::OPTIONS, path).send().await;
        assert_eq!(
            (options.status, options.header("allow")),
            (204, "GET, HEAD, OPTIONS")
        );
        api.ask(Method::POST, path).send().await.problem(405);
    }
}
