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
        !policy.contains("unsafe") && !policy.contains("script-src"),
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
