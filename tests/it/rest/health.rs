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
fn local(mut ask: Ask<'_>) -> Ask<'_> {
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
    assert_eq!(ready().await.status, 200);
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
    assert_eq!(
        health["checks"]["websocket"],
        json!({"status": "ok", "connections": 0, "address": "127.0.0.1:9090"})
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
        json!({"status": "error"})
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
