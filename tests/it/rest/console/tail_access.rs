//! A stream of events ends with what opened it.

use std::time::Duration;

use poem::http::Method;
use serde_json::json;

use super::tail::watch;
use crate::rest::console_pages::Console;
use crate::rest::{ADMIN, Api, Ask, create, start};

const TAIL: &str = "/apps/shop/tail";
const SESSION: &str = "/console/session";

/// Checks that what `end` does ends the stream that `ask` opens, before anything that is published afterwards, and no other stream.
async fn ends(api: &Api, ask: Ask<'_>, end: impl AsyncFnOnce(), reason: &str) {
    let mut entries = watch(ask).await;
    let mut other = watch(api.admin(Method::GET, TAIL)).await;
    api.publish(json!({"channel": "a", "data": "before"})).await;
    assert_eq!(entries.next().await["data"], "before");
    assert_eq!(other.next().await["data"], "before");
    end().await;
    let later = json!({"channel": "a", "event": "e", "data": "after", "persist": false});
    let publish = api.admin(Method::POST, "/apps/shop/publish").json(&later);
    let published = publish.send().await.status;
    assert_eq!(
        entries.next().await,
        json!({"type": "end", "reason": reason}),
        "{reason}"
    );
    assert_eq!(entries.line().await, None);
    if published == 200 {
        assert_eq!(other.next().await["data"], "after");
    }
}

async fn succeeds(ask: Ask<'_>) {
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test]
async fn with_a_session_that_was_ended() {
    let api = start().await;
    let app = json!({"app": "shop", "secret": "shop-secret"});
    for credentials in [json!({ "secret": ADMIN }), app] {
        let console = Console::open(&api, credentials.clone()).await;
        let end = async || succeeds(console.ask(&api, Method::DELETE, SESSION)).await;
        ends(&api, console.ask(&api, Method::GET, TAIL), end, "session").await;

        // Another one of the same person goes on.
        let (kept, ended) = (
            Console::open(&api, credentials.clone()).await,
            Console::open(&api, credentials).await,
        );
        let mut entries = watch(kept.ask(&api, Method::GET, TAIL)).await;
        succeeds(ended.ask(&api, Method::DELETE, SESSION)).await;
        api.publish(json!({"channel": "a", "data": "kept"})).await;
        assert_eq!(entries.next().await["data"], "kept");
    }
    let login = "/login?app_id=shop&app_key=shop-key&app_secret=shop-secret";
    let token = || async { api.ask(Method::GET, login).send().await.json()["token"].clone() };
    let token = token().await.as_str().unwrap().to_owned();
    let out = async || succeeds(api.ask(Method::POST, "/logout").bearer(&token)).await;
    let ask = api.ask(Method::GET, TAIL).bearer(&token);
    ends(&api, ask, out, "session").await;
}

#[tokio::test]
async fn with_the_sessions_of_the_app() {
    let api = start().await;
    let console = Console::open(&api, json!({"app": "shop", "secret": "shop-secret"})).await;
    let mut entries = watch(console.ask(&api, Method::GET, TAIL)).await;
    let mut administrators = watch(api.admin(Method::GET, TAIL)).await;
    succeeds(api.admin(Method::POST, "/apps/shop/sessions/revoke")).await;
    let end = json!({"type": "end", "reason": "session"});
    assert_eq!(entries.next().await, end);
    let ask = api.admin(Method::POST, "/apps/shop/publish");
    succeeds(ask.json(&json!({"channel": "a", "event": "e", "data": "after"}))).await;
    assert_eq!(administrators.next().await["data"], "after");
}

#[tokio::test]
async fn with_the_secret_that_opened_it() {
    let api = start().await;
    let console = Console::open(&api, json!({"app": "shop", "secret": "shop-secret"})).await;
    let mut entries = watch(console.ask(&api, Method::GET, TAIL)).await;
    succeeds(api.admin(Method::POST, "/apps/shop/rotate")).await;
    let ask = api.admin(Method::POST, "/apps/shop/publish");
    succeeds(ask.json(&json!({"channel": "a", "event": "e", "data": "still valid"}))).await;
    assert_eq!(entries.next().await["data"], "still valid");
    let reset = json!({"reset": ["previous_secret"]});
    succeeds(api.admin(Method::PUT, "/apps/shop").json(&reset)).await;
    let end = json!({"type": "end", "reason": "session"});
    assert_eq!(entries.next().await, end);
}

#[tokio::test]
async fn with_the_app() {
    let api = start().await;
    let disable = async || {
        let ask = api.admin(Method::PUT, "/apps/shop");
        succeeds(ask.json(&json!({"enabled": false}))).await;
    };
    ends(&api, api.session(Method::GET, TAIL), disable, "app").await;
    // The administrator still watches an app that is disabled.
    let mut entries = watch(api.admin(Method::GET, TAIL)).await;
    create(&api.service, "other").await;
    succeeds(api.admin(Method::DELETE, "/apps/other")).await;
    let enable = api.admin(Method::PUT, "/apps/shop");
    succeeds(enable.json(&json!({"enabled": true}))).await;
    api.publish(json!({"channel": "a", "data": "enabled"}))
        .await;
    assert_eq!(entries.next().await["data"], "enabled");

    // An app of the same name is another one.
    let console = Console::administrator(&api).await;
    let mut others = watch(console.ask(&api, Method::GET, TAIL)).await;
    let mut own = watch(api.session(Method::GET, TAIL)).await;
    succeeds(api.admin(Method::DELETE, "/apps/shop")).await;
    create(&api.service, "shop").await;
    for entries in [&mut entries, &mut others] {
        let end = json!({"type": "end", "reason": "app"});
        assert_eq!(entries.next().await, end);
    }
    let end = json!({"type": "end", "reason": "session"});
    assert_eq!(own.next().await, end);
}

#[tokio::test]
async fn with_the_time_of_its_session() {
    let api = start().await;
    let app = json!({"app": "shop", "secret": "shop-secret"});
    for credentials in [json!({ "secret": ADMIN }), app] {
        let console = Console::open(&api, credentials).await;
        let mut entries = watch(console.ask(&api, Method::GET, TAIL)).await;
        api.clock.advance(Duration::from_secs(3_601));
        let end = json!({"type": "end", "reason": "session"});
        assert_eq!(entries.next().await, end);
    }
}
