//! The OpenAPI document and Swagger UI.

use poem::http::Method;
use pushi::inbound::rest::document;

use crate::rest::start;

#[test]
fn the_document_is_committed_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/pushi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == document(),
        "openapi/pushi.json is old: cargo run -- openapi > openapi/pushi.json"
    );
}

#[tokio::test]
async fn the_document_is_served_as_it_is() {
    let api = start().await;
    let reply = api.ask(Method::GET, "/openapi.json").send().await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/json")
    );
    assert!(reply.text == document());
}

#[tokio::test]
async fn the_page_runs_its_own_scripts_alone_and_in_no_frame() {
    let api = start().await;
    for path in ["/docs", "/docs/"] {
        let reply = api.ask(Method::GET, path).send().await;
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
        let scripts = policy
            .split(';')
            .find(|part| part.trim().starts_with("script-src"))
            .unwrap();
        assert!(
            !scripts.contains("unsafe") && scripts.contains("'sha256-"),
            "{scripts}"
        );
        assert!(reply.text.contains("SwaggerUIBundle") && reply.text.contains("\"publishEvent\""));
    }
}
