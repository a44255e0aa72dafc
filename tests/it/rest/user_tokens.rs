//! What the token of a user opens over REST.

use std::time::Duration;

use poem::http::Method;
use pushi::core::ports::Clock;
use pushi::outbound::jwt::{JwtTokens, NewToken};
use serde_json::{Value, json};

use crate::rest::{Api, create, start};

fn token_of(api: &Api, app: &str, user: Option<&str>, channels: &[&str]) -> String {
    let channels: Vec<_> = channels.iter().map(|name| (*name).to_owned()).collect();
    let token = NewToken {
        user,
        channels: &channels,
        app,
        issued: api.clock.now(),
        ttl: Duration::from_secs(600),
        ..NewToken::default()
    };
    JwtTokens::new().sign(&token, &api.app.secret).unwrap()
}

async fn ask(
    api: &Api,
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> (u16, String) {
    let ask = api.ask(method, path).bearer(token);
    let reply = match body {
        Some(body) => ask.json(&body).send().await,
        None => ask.send().await,
    };
    (reply.status, reply.text)
}

async fn get(api: &Api, path: &str, token: &str) -> (u16, String) {
    ask(api, Method::GET, path, token, None).await
}

#[tokio::test]
async fn a_token_opens_the_history_of_what_it_covers() {
    let api = start().await;
    for channel in [
        "private-a",
        "private-b",
        "news",
        "personal-ann",
        "personal-bob",
    ] {
        api.publish(json!({"channel": channel, "data": channel}))
            .await;
    }
    let token = token_of(&api, "shop", Some("ann"), &["private-a", "room-*"]);
    for path in [
        "/events?channel=private-a",
        "/events?channel=private-a&since=0",
        "/events?channel=room-1",
        "/events?channel=personal-ann",
    ] {
        let (status, text) = get(&api, path, &token).await;
        assert_eq!(status, 200, "{path}: {text}");
        assert_eq!(
            text.contains("private-a"),
            path.contains("private-a"),
            "{text}"
        );
    }
    for path in [
        "/events?channel=private-b",
        "/events?channel=news",
        "/events?channel=personal-bob",
        "/events",
        "/events?since=0",
    ] {
        let (status, text) = get(&api, path, &token).await;
        assert_eq!(status, 403, "{path}: {text}");
        assert!(text.contains("claim channels"), "{text}");
    }
}

#[tokio::test]
async fn a_token_opens_the_users_own_subscriptions() {
    let api = start().await;
    let token = token_of(&api, "shop-key", Some("ann"), &["private-a"]);
    let body = |user: &str, channel: &str| Some(json!({"user_id": user, "event": channel}));
    for (user, channel, expected) in [
        ("ann", "private-a", 200),
        ("ann", "news", 200),
        ("ann", "private-b", 403),
        ("bob", "private-a", 403),
    ] {
        let (status, text) = ask(
            &api,
            Method::POST,
            "/subscriptions",
            &token,
            body(user, channel),
        )
        .await;
        assert_eq!(status, expected, "{user} {channel}: {text}");
        assert!(status == 200 || text.contains("claim"), "{text}");
    }
    let session = api.token.clone();
    ask(
        &api,
        Method::POST,
        "/subscriptions",
        &session,
        body("bob", "private-a"),
    )
    .await;
    let (_, all) = get(&api, "/subscriptions", &token).await;
    assert!(all.contains("ann") && !all.contains("bob"), "{all}");
    assert_eq!(get(&api, "/subscriptions?user_id=bob", &token).await.0, 403);
    let delete = |path| ask(&api, Method::DELETE, path, &token, None);
    assert_eq!(delete("/subscriptions/bob/private-a").await.0, 403);
    assert_eq!(delete("/subscriptions/ann/private-a").await.0, 200);
    let nobody = token_of(&api, "shop", None, &["*"]);
    assert_eq!(get(&api, "/subscriptions", &nobody).await.0, 403);
}

#[tokio::test]
async fn a_token_opens_nothing_else() {
    let api = start().await;
    let token = token_of(&api, "shop", Some("ann"), &["*"]);
    for (method, path) in [
        (Method::GET, "/apps"),
        (Method::GET, "/apps/shop"),
        (Method::PUT, "/apps/shop"),
        (Method::POST, "/events"),
        (Method::GET, "/sockets"),
        (Method::POST, "/apps/shop/subscribe"),
        (Method::GET, "/web_pushes"),
    ] {
        let body =
            (method != Method::GET).then(|| json!({"user_id": "ann", "event": "a", "data": "x"}));
        let (status, text) = ask(&api, method.clone(), path, &token, body).await;
        assert!(
            [401, 403].contains(&status),
            "{method} {path}: {status} {text}"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_a_401() {
    let api = start().await;
    create(&api.service, "other").await;
    let path = "/events?channel=private-a";
    let good = token_of(&api, "shop", Some("ann"), &["private-a"]);
    for (token, reason) in [
        (
            token_of(&api, "other", Some("ann"), &["private-a"]),
            "signature",
        ),
        (
            token_of(&api, "nonsense", Some("ann"), &["private-a"]),
            "another app",
        ),
        (format!("{good}x"), "signature"),
        ("a.b.c".to_owned(), "malformed"),
    ] {
        let (status, text) = get(&api, path, &token).await;
        assert_eq!(status, 401, "{text}");
        assert!(
            text.contains(reason) && !text.contains(&good),
            "{reason}: {text}"
        );
    }
    api.clock.advance(Duration::from_secs(631));
    let (status, text) = get(&api, path, &good).await;
    assert_eq!((status, text.contains("expired")), (401, true), "{text}");
}
