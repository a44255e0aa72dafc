//! Compressed answers: those that are the same for everybody, and no others.

use std::io::Read;

use flate2::read::GzDecoder;
use poem::http::Method;

use crate::rest::{Api, start};

const STATIC: [&str; 12] = [
    "/",
    "/docs",
    "/openapi.json",
    "/pushi.js",
    "/pushi.mjs",
    "/pushi.css",
    "/pushi.d.ts",
    "/pushi-sw.js",
    "/examples/chat.html",
    "/examples/web-push.html",
    "/asyncapi.json",
    "/docs/websocket",
];

async fn get(api: &Api, path: &str, encodings: Option<&str>) -> (String, String, Vec<u8>) {
    let mut ask = api.ask(Method::GET, path).header("accept", "text/html");
    if let Some(encodings) = encodings {
        ask = ask.header("accept-encoding", encodings);
    }
    let (parts, body) = ask.unread().await.into_parts();
    assert_eq!(parts.status, 200, "{path}");
    let header = |name: &str| {
        let all = parts.headers.get_all(name).iter();
        let all: Vec<_> = all.map(|value| value.to_str().unwrap()).collect();
        all.join(", ")
    };
    let body = body.into_vec().await.unwrap();
    assert_eq!(header("content-length"), body.len().to_string(), "{path}");
    assert!(header("vary").contains("Accept-Encoding"), "{path}");
    (header("content-encoding"), header("etag"), body)
}

#[tokio::test]
async fn content_that_is_the_same_for_everybody_is_compressed() {
    let api = start().await;
    for path in STATIC {
        let (coding, tag, plain) = get(&api, path, None).await;
        assert_eq!(coding, "", "{path}");
        let (coding, small_tag, small) = get(&api, path, Some("br, gzip;q=0.5")).await;
        assert_eq!(coding, "gzip", "{path}");
        assert!(small.len() * 2 < plain.len(), "{path}");
        assert_ne!(tag, small_tag, "{path}");
        let mut text = Vec::new();
        GzDecoder::new(small.as_slice())
            .read_to_end(&mut text)
            .unwrap();
        assert!(text == plain, "{path}");
        let (coding, _, refused) = get(&api, path, Some("gzip;q=0, *")).await;
        assert_eq!((coding.as_str(), refused), ("", plain), "{path}");
    }
}

#[tokio::test]
async fn answers_of_the_api_are_not_compressed() {
    let api = start().await;
    for path in ["/apps", "/events", "/sockets", "/health"] {
        let reply = api
            .session(Method::GET, path)
            .header("accept-encoding", "gzip")
            .send()
            .await;
        assert_eq!(
            (reply.status, reply.header("content-encoding")),
            (200, ""),
            "{path}"
        );
    }
}
