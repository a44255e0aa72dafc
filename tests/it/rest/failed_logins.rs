//! Failed logins: slowed per address and app, counted, and never in the way of others.

use std::net::IpAddr;
use std::time::Duration;

use poem::http::Method;
use serde_json::json;

use crate::rest::{ADMIN, Api, Reply, Setup, create, start};

async fn login(api: &Api, client: [u8; 4], app: &str, secret: &str) -> Reply {
    let query = format!("app_id={app}&app_key={app}-key&app_secret={secret}");
    let mut ask = api.ask(Method::GET, &format!("/login?{query}"));
    ask.client.ip = IpAddr::from(client);
    ask.send().await
}

const ATTACKER: [u8; 4] = [198, 51, 100, 1];
const OTHER: [u8; 4] = [198, 51, 100, 2];

#[tokio::test]
async fn after_too_many_failed_logins_the_address_waits_for_this_app() {
    let api = start().await;
    create(&api.service, "other").await;
    for _ in 0..10 {
        let reply = login(&api, ATTACKER, "shop", "WRONG").await;
        reply.problem(401);
    }
    // The right secret is not judged either, however it is sent.
    for secret in ["WRONG", "shop-secret"] {
        let reply = login(&api, ATTACKER, "shop", secret).await;
        assert!(reply.problem(429).contains("try again in 1 s"));
        assert!(!reply.text.contains(secret));
        let body = json!({"app_id": "shop", "app_key": "shop-key", "app_secret": secret});
        let mut ask = api.ask(Method::POST, "/login").json(&body);
        ask.client.ip = IpAddr::from(ATTACKER);
        ask.send().await.problem(429);
    }
    for (client, app) in [(OTHER, "shop"), (ATTACKER, "other")] {
        let secret = format!("{app}-secret");
        assert_eq!(login(&api, client, app, &secret).await.status, 200);
    }
    api.clock.advance(Duration::from_secs(1));
    let reply = login(&api, ATTACKER, "shop", "shop-secret").await;
    assert_eq!(reply.status, 200);
    let metrics = api.admin(Method::GET, "/metrics").send().await.text;
    for line in [
        "pushi_failed_logins_total{credential=\"secret\",throttled=\"false\"} 10",
        "pushi_failed_logins_total{credential=\"secret\",throttled=\"true\"} 4",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn right_logins_and_idents_of_no_app_do_not_spend_an_apps_attempts() {
    let api = start().await;
    for _ in 0..30 {
        let reply = login(&api, ATTACKER, "shop", "shop-secret").await;
        assert_eq!(reply.status, 200);
    }
    for app in 0..10 {
        let reply = login(&api, ATTACKER, &format!("app-{app}"), "WRONG").await;
        reply.problem(401);
    }
    // Any number of idents is one target, so that they do not fill the memory.
    let reply = login(&api, ATTACKER, "app-10", "WRONG").await;
    reply.problem(429);
    let reply = login(&api, ATTACKER, "shop", "shop-secret").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn wrong_tokens_keep_the_administrator_of_that_address_waiting_but_no_session() {
    let api = start().await;
    let ask = |client: [u8; 4], path: &str, token: &str| {
        let mut ask = api.ask(Method::GET, path).bearer(token);
        ask.client.ip = IpAddr::from(client);
        ask.send()
    };
    let mut refused = 0;
    while ask(ATTACKER, "/apps", "WRONG").await.status == 401 {
        refused += 1;
        assert!(refused < 100, "never slowed");
    }
    assert_eq!(refused, 30);
    for path in ["/apps", "/apps/shop", "/events", "/metrics"] {
        for token in ["WRONG", ADMIN] {
            ask(ATTACKER, path, token).await.problem(429);
        }
    }
    assert_eq!(ask(ATTACKER, "/events", &api.token).await.status, 200);
    assert_eq!(ask(ATTACKER, "/apps", &api.token).await.status, 200);
    assert_eq!(ask(OTHER, "/apps", ADMIN).await.status, 200);
    assert_eq!(
        login(&api, ATTACKER, "shop", "shop-secret").await.status,
        200
    );
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(ATTACKER, "/apps", ADMIN).await.status, 200);
}

#[tokio::test]
async fn open_registration_is_no_way_around() {
    let api = Setup {
        open_registration: true,
        ..Setup::default()
    };
    let api = api.start().await;
    let create = |token: &'static str| {
        let ask = api.ask(Method::POST, "/apps").bearer(token);
        ask.json(&json!({"name": "a", "ident": "a"})).send()
    };
    for _ in 0..30 {
        create("WRONG").await.problem(403);
    }
    for token in ["WRONG", ADMIN] {
        create(token).await.problem(429);
    }
}
