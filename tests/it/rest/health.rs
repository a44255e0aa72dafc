//! Health and readiness.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use poem::http::Method;
use pushi::inbound::listen::{ClientInfo, ListenerRole};
use pushi_test_support::Fault;
use serde_json::json;

use crate::rest::{Api, Ask, Setup, start};

fn detailed(api: &Api) -> Ask<'_> {
    api.ask(Method::GET, "/health/detailed")
}

fn metrics(api: &Api) -> Ask<'_> {
    api.ask(Method::GET, "/metrics")
}

/// On the same machine.
fn local(ask: Ask<'_>) -> Ask<'_> {
    on_this_machine(ask.header("host", "127.0.0.1:8080"))
}

/// From a loopback address.
fn on_this_machine(mut ask: Ask<'_>) -> Ask<'_> {
    ask.client = ClientInfo {
        ip: IpAddr::from([127, 0, 0, 1]),
        ..ask.client
    };
    ask
}

#[tokio::test]
async fn the_simple_ones_need_nothing() {
    let api = start().await;
    api.store.apps.set(Fault::Unavailable);
    let reply = api.ask(Method::GET, "/health").send().await;
    assert_eq!(
        (reply.status, reply.json()),
        (
            200,
            json!({"status": "ok", "service": "pushi", "version": "1.2.3"})
        )
    );
    let reply = api.ask(Method::GET, "/health/live").send().await;
    assert_eq!((reply.status, reply.json()), (200, json!({"status": "ok"})));
}

#[tokio::test]
async fn ready_is_503_during_store_outage_or_drain() {
    let api = start().await;
    let ready = || api.ask(Method::GET, "/health/ready").send();
    assert_eq!(ready().await.json(), json!({"status": "ok", "ready": true}));
    api.ready.store(false, Ordering::SeqCst);
    ready().await.problem(503);
    api.ready.store(true, Ordering::SeqCst);
    assert_eq!(ready().await.status, 200);
    api.store.apps.set(Fault::Unavailable);
    ready().await.problem(503);
}

#[tokio::test]
async fn detailed_shows_each_thing() {
    let api = start().await;
    let health = local(detailed(&api)).send().await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["checks"]["database"]["status"], "ok");
    assert!(health["checks"]["database"]["latency_ms"].is_number());
    assert_eq!(health["checks"]["database"]["app_count"], 1);
    assert_eq!(
        health["checks"]["websocket"],
        json!({"status": "ok", "connections": 0, "messages_sent": 0, "address": "127.0.0.1:9090"})
    );
    assert!(health["timestamp"].as_f64().unwrap() > 1.7e9);
    api.store.apps.set(Fault::Unavailable);
    let reply = local(detailed(&api)).send().await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (200, &json!("degraded"))
    );
    assert_eq!(
        reply.json()["checks"]["database"],
        json!({"status": "error", "error": "the store does not answer"})
    );
}

#[tokio::test]
async fn detailed_and_metrics_are_for_this_machine_and_the_administrator() {
    let api = start().await;
    detailed(&api).send().await.problem(401);
    detailed(&api).bearer("wrong").send().await.problem(401);
    detailed(&api).bearer(&api.token).send().await.problem(403);
    assert_eq!(
        api.admin(Method::GET, "/health/detailed")
            .send()
            .await
            .status,
        200
    );
    assert_eq!(local(detailed(&api)).send().await.status, 200);
    // A local proxy forwards for another client.
    let mut forwarded = local(detailed(&api));
    forwarded.client.forwarded = true;
    forwarded.send().await.problem(401);
    metrics(&api).send().await.problem(401);
    metrics(&api).bearer(&api.token).send().await.problem(403);
    let closed = Setup {
        admin_token: None,
        ..Setup::default()
    }
    .start()
    .await;
    assert!(
        detailed(&closed)
            .send()
            .await
            .problem(403)
            .contains("PUSHI_ADMIN_TOKEN")
    );
}

/// Requests that a proxy on this machine passes on, or a page in a browser on it sends.
#[tokio::test]
async fn what_may_come_from_elsewhere_needs_the_token() {
    let api = start().await;
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-anything",
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-host",
        "x-original-forwarded-for",
        "cf-connecting-ip",
        "cf-ray",
        "true-client-ip",
        "fly-client-ip",
        "fastly-client-ip",
        "do-connecting-ip",
        "x-azure-clientip",
        "x-amzn-trace-id",
        "x-envoy-external-address",
        "cdn-loop",
        "origin",
    ] {
        for ask in [metrics(&api), detailed(&api)] {
            let reply = local(ask.header(name, "127.0.0.1")).send().await;
            reply.problem(401);
        }
    }
    for host in ["chat.example", "127.0.0.1.example", "10.0.0.1:8080", ""] {
        let ask = on_this_machine(metrics(&api).header("host", host));
        ask.send().await.problem(401);
    }
    on_this_machine(metrics(&api)).send().await.problem(401);
    let two = local(metrics(&api)).header("host", "chat.example");
    two.send().await.problem(401);
    let page = local(metrics(&api)).header("sec-fetch-site", "cross-site");
    page.send().await.problem(401);
    for host in ["localhost", "LOCALHOST:8080", "[::1]:8080", "127.0.0.1"] {
        let ask = on_this_machine(metrics(&api).header("host", host));
        assert_eq!(ask.send().await.status, 200, "{host}");
    }
    let token = api.admin(Method::GET, "/metrics");
    let reply = token.header("x-forwarded-for", "1.2.3.4").send().await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn no_page_may_read_metrics_or_detailed_health() {
    let api = start().await;
    for path in ["/metrics", "/health/detailed"] {
        for ask in [api.ask(Method::GET, path), api.admin(Method::GET, path)] {
            let reply = ask.header("origin", "https://a.example").send().await;
            assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
        }
        let preflight = api
            .ask(Method::OPTIONS, path)
            .header("origin", "https://a.example")
            .header("access-control-request-method", "GET");
        let reply = preflight.send().await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
    }
    let reply = api.ask(Method::GET, "/health").send().await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn detailed_and_metrics_are_on_the_first_listener_alone() {
    let api = start().await;
    let mut second = local(api.admin(Method::GET, "/health/detailed"));
    second.role = ListenerRole::Server;
    second.send().await.problem(404);
    let mut second = local(metrics(&api));
    second.role = ListenerRole::Server;
    second.send().await.problem(404);
}

#[tokio::test]
async fn metrics_are_text() {
    let api = start().await;
    for ask in [local(metrics(&api)), api.admin(Method::GET, "/metrics")] {
        let reply = ask.send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "text/plain; charset=utf-8")
        );
        assert!(reply.text.contains("# TYPE "), "{}", reply.text);
    }
}
