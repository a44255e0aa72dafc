//! Rules of every request: error form, body size, content types, methods, CORS.

use poem::http::Method;
use pushi_test_support::{FAULT_CAUSE, Fault};
use serde_json::json;

use crate::rest::{Setup, start};

#[tokio::test]
async fn an_unknown_route_is_an_error_like_any_other() {
    let api = start().await;
    for path in [
        "/no-such-route",
        "/apps/x/y/z",
        "/events/7",
        "/health/nonsense",
        "/apps/",
    ] {
        api.session(Method::GET, path).send().await.problem(404);
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_names_those_that_it_has() {
    let api = start().await;
    for (method, path, allow) in [
        (Method::DELETE, "/events", "POST, GET, HEAD, OPTIONS"),
        (Method::PATCH, "/apps", "POST, GET, HEAD, OPTIONS"),
        // The route of its own counts, not the app of that name.
        (Method::PUT, "/apps/ping", "GET, HEAD, OPTIONS"),
        (
            Method::POST,
            "/apps/shop",
            "GET, PUT, DELETE, HEAD, OPTIONS",
        ),
        (Method::GET, "/apps/shop/rotate", "POST, OPTIONS"),
        (Method::POST, "/docs", "GET, HEAD, OPTIONS"),
        (Method::PUT, "/openapi.json", "GET, HEAD, OPTIONS"),
        (Method::POST, "/docs/websocket", "GET, HEAD, OPTIONS"),
        (Method::PUT, "/asyncapi.json", "GET, HEAD, OPTIONS"),
    ] {
        let reply = api.session(method.clone(), path).send().await;
        reply.problem(405);
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
    let reply = api.ask(Method::OPTIONS, "/events").send().await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (204, "POST, GET, HEAD, OPTIONS")
    );
    assert_eq!(api.ask(Method::OPTIONS, "/docs").send().await.status, 204);
    // Probes of load balancers take no other status than 200.
    let reply = api.ask(Method::OPTIONS, "/").send().await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (200, "GET, HEAD, OPTIONS")
    );
}

#[tokio::test]
async fn head_answers_without_a_body() {
    let api = start().await;
    for (path, status) in [
        ("/health", 200),
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/docs/websocket", 200),
        ("/asyncapi.json", 200),
        ("/events", 401),
        ("/nothing", 404),
    ] {
        let reply = api.ask(Method::HEAD, path).send().await;
        assert_eq!((reply.status, reply.text.as_str()), (status, ""), "{path}");
    }
}

#[tokio::test]
async fn every_error_has_its_own_uid() {
    let api = start().await;
    let first = api.ask(Method::GET, "/nothing").send().await.json();
    let second = api.ask(Method::GET, "/nothing").send().await.json();
    assert_ne!(first["uid"], second["uid"]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_or_while_it_is_read() {
    let api = Setup {
        body_bytes: 1000,
        ..Setup::default()
    }
    .start()
    .await;
    let body = |size: usize| format!(r#"{{"data":"{}"}}"#, "x".repeat(size - 11)).into_bytes();
    assert_eq!(
        api.session(Method::POST, "/events")
            .body("application/json", body(1000))
            .send()
            .await
            .status,
        200
    );
    let message = api
        .session(Method::POST, "/events")
        .body("application/json", body(1001))
        .send()
        .await
        .problem(413);
    assert!(
        message.contains("1000") && message.contains("PUSHI_MAX_BODY_BYTES"),
        "{message}"
    );
    // Before anything else is looked at.
    api.ask(Method::POST, "/events")
        .header("content-length", "1001")
        .send()
        .await
        .problem(413);
    let pieces = |size: usize| body(size).chunks(100).map(<[u8]>::to_vec).collect();
    assert_eq!(
        api.session(Method::POST, "/events")
            .pieces(pieces(1000))
            .send()
            .await
            .status,
        200
    );
    api.session(Method::POST, "/events")
        .pieces(pieces(1001))
        .send()
        .await
        .problem(413);
}

#[tokio::test]
async fn without_a_limit_bodies_may_be_large() {
    let api = Setup {
        body_bytes: 0,
        ..Setup::default()
    }
    .start()
    .await;
    let body = json!({"data": "x".repeat(1_000_000)});
    assert_eq!(
        api.session(Method::POST, "/events")
            .json(&body)
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_where_one_is_needed() {
    let api = start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
        "",
    ] {
        let reply = api
            .session(Method::POST, "/events")
            .body(kind, r#"{"data":"x"}"#)
            .send()
            .await;
        assert!(reply.problem(415).contains("application/json"), "{kind}");
    }
    api.ask(Method::POST, "/login")
        .body("text/plain", "x")
        .send()
        .await
        .problem(415);
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.x+json",
    ] {
        let reply = api
            .session(Method::POST, "/events")
            .body(kind, r#"{"data":"x"}"#)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{kind}");
    }
    // A body without a content type is read as JSON.
    let untyped = api.session(Method::POST, "/apps/shop/subscribe?user_id=u&event=e");
    assert_eq!(untyped.send().await.status, 200);
}

#[tokio::test]
async fn authorization_precedes_validation() {
    let api = start().await;
    api.ask(Method::POST, "/events")
        .body("text/plain", "{")
        .send()
        .await
        .problem(401);
    api.ask(Method::GET, "/events?count=nonsense")
        .send()
        .await
        .problem(401);
}

#[tokio::test]
async fn a_store_outage_is_503_without_its_cause() {
    let api = start().await;
    api.store.apps.set(Fault::Unavailable);
    let reply = api.admin(Method::GET, "/apps").send().await;
    assert!(reply.problem(503).contains("try again"));
    assert!(!reply.text.contains(FAULT_CAUSE));
    api.admin(Method::POST, "/apps")
        .json(&json!({"name": "x"}))
        .send()
        .await
        .problem(503);
    // Cached data needs no store.
    assert_eq!(
        api.session(Method::GET, "/apps/shop").send().await.status,
        200
    );
    api.publish(json!({"data": "x"})).await;
}

#[tokio::test]
async fn a_panic_is_a_500_without_details_and_only_its_own() {
    let api = start().await;
    api.store.apps.set(Fault::Panic);
    let reply = api.admin(Method::GET, "/apps").send().await;
    assert!(!reply.problem(500).contains("on purpose"));
    assert_eq!(api.ask(Method::GET, "/health").send().await.status, 200);
}

#[tokio::test]
async fn any_page_may_call_and_never_with_credentials() {
    let api = start().await;
    let preflight = api
        .ask(Method::OPTIONS, "/events")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,idempotency-key",
        );
    let preflight = preflight.send().await;
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        "Authorization, Content-Type, Idempotency-Key, Cache-Control, Last-Event-ID, X-Requested-With, X-Socket-Id"
    );
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, HEAD, POST, PUT, DELETE"
    );
    let error = api
        .ask(Method::GET, "/nothing")
        .header("origin", "https://shop.example")
        .send()
        .await;
    for reply in [preflight, error] {
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn the_root_names_what_the_server_offers() {
    let api = start().await;
    let reply = api.ask(Method::GET, "/").send().await;
    assert_eq!(
        (reply.status, &reply.json()["name"]),
        (200, &"Pushi".into())
    );
    assert_eq!(reply.json()["status"], "ok");
    assert_eq!(reply.json()["version"], "1.2.3");
    assert!(
        reply.json()["app"].is_null(),
        "no key without a first start"
    );
    assert_eq!(reply.header("vary"), "Accept");
    for offered in [
        "documentation",
        "openapi",
        "asyncapi",
        "health",
        "client",
        "example",
    ] {
        let path = reply.json()[offered].as_str().unwrap().to_owned();
        assert!(!path.starts_with('/'), "{path}");
        let reply = api.ask(Method::GET, &format!("/{path}")).send().await;
        assert_eq!(reply.status, 200, "{path}");
    }
    assert_eq!(api.ask(Method::HEAD, "/").send().await.status, 200);
    let page = api.ask(Method::GET, "/").header("accept", "text/html");
    let page = page.send().await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
}

#[tokio::test]
async fn a_compressed_body_is_415_and_names_its_coding() {
    let api = start().await;
    let publication = json!({"channel": "c", "event": "e", "data": "d"});
    for (coding, named) in [
        ("gzip", "gzip"),
        ("identity, br", "br"),
        ("DEFLATE", "DEFLATE"),
        ("aws-chunked", "aws-chunked"),
    ] {
        for path in ["/events", "/login"] {
            let ask = api.session(Method::POST, path).json(&publication);
            let reply = ask.header("content-encoding", coding).send().await;
            assert!(reply.problem(415).contains(named), "{path}: {coding}");
        }
    }
    for coding in ["identity", "Identity", "", "identity, identity"] {
        let ask = api.session(Method::POST, "/events").json(&publication);
        let reply = ask.header("content-encoding", coding).send().await;
        assert_eq!(reply.status, 200, "{coding}: {}", reply.text);
    }
}

#[tokio::test]
async fn configured_origins_are_named_and_others_are_not() {
    let api = Setup {
        allowed_origins: vec!["https://shop.example".into()],
        ..Setup::default()
    }
    .start()
    .await;
    for (origin, named) in [
        ("https://shop.example", "https://shop.example"),
        ("https://evil.example", ""),
    ] {
        let preflight = api
            .ask(Method::OPTIONS, "/events")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        for reply in [
            preflight.send().await,
            api.ask(Method::GET, "/events")
                .header("origin", origin)
                .send()
                .await,
        ] {
            assert_eq!(reply.header("access-control-allow-origin"), named);
            // A cache must not give one origin's answer to another.
            assert_eq!(reply.header("vary"), "Origin");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let api = start().await;
    api.ask(Method::GET, "/events?sid=%FF")
        .send()
        .await
        .problem(400);
    api.session(Method::DELETE, "/subscriptions/%FF/news")
        .send()
        .await
        .problem(400);
    api.ask(Method::POST, "/login")
        .body("application/x-www-form-urlencoded", "app_id=%FF")
        .send()
        .await
        .problem(400);
}
