//! Login, permissions and expiry of session tokens.

use std::time::Duration;

use poem::http::{Method, header};
use serde_json::json;

use crate::rest::{ADMIN, Api, Reply, create, start};

const QUERY: &str = "app_id=shop&app_key=shop-key&app_secret=shop-secret";

async fn logs_in(reply: Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let (value, attributes) = cookie(&reply);
    assert_eq!(value, token);
    assert_eq!(
        attributes,
        ["path=/", "max-age=3600", "httponly", "samesite=strict"]
    );
    token
}

async fn opens(api: &Api, token: &str) -> bool {
    api.ask(Method::GET, "/events")
        .bearer(token)
        .send()
        .await
        .status
        == 200
}

#[tokio::test]
async fn credentials_are_taken_from_the_query_and_from_bodies() {
    let api = start().await;
    let post = |path: &str| api.ask(Method::POST, path);
    let body = json!({"app_id": "shop", "app_key": "shop-key", "app_secret": "shop-secret"});
    let mut tokens = vec![
        logs_in(
            api.ask(Method::GET, &format!("/login?{QUERY}"))
                .send()
                .await,
        )
        .await,
        logs_in(post(&format!("/login?{QUERY}")).send().await).await,
        logs_in(post("/login").json(&body).send().await).await,
        logs_in(
            post("/login")
                .body("application/x-www-form-urlencoded", QUERY)
                .send()
                .await,
        )
        .await,
        // A body counts more than the query.
        logs_in(post("/login?app_id=other").json(&body).send().await).await,
        // An empty body counts as none, whatever its content type.
        logs_in(
            post(&format!("/login?{QUERY}"))
                .body("text/plain", "")
                .send()
                .await,
        )
        .await,
    ];
    for token in &tokens {
        assert!(opens(&api, token).await);
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 6);
}

#[tokio::test]
async fn the_cookie_is_secure_under_tls() {
    let api = start().await;
    let mut ask = api.ask(Method::GET, &format!("/login?{QUERY}"));
    ask.client.secure = true;
    let (_, attributes) = cookie(&ask.send().await);
    assert!(attributes.contains(&"secure".to_owned()), "{attributes:?}");
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_repeated() {
    let api = start().await;
    for query in [
        "app_id=shop&app_key=shop-key&app_secret=WRONG",
        "app_id=shop&app_key=WRONG&app_secret=shop-secret",
        "app_id=WRONG&app_key=shop-key&app_secret=shop-secret",
        "app_id=a%20b&app_key=shop-key&app_secret=shop-secret",
    ] {
        let reply = api
            .ask(Method::GET, &format!("/login?{query}"))
            .send()
            .await;
        reply.problem(401);
        assert!(!reply.text.contains("WRONG") && !reply.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn missing_credentials_are_named() {
    let api = start().await;
    for missing in ["app_id", "app_key", "app_secret"] {
        let query: Vec<_> = QUERY
            .split('&')
            .filter(|pair| !pair.starts_with(missing))
            .collect();
        for method in [Method::GET, Method::POST] {
            let message = api
                .ask(method, &format!("/login?{}", query.join("&")))
                .send()
                .await
                .problem(400);
            assert!(message.contains(missing), "{message}");
        }
    }
    api.ask(Method::POST, "/login")
        .json(&json!({"app_id": 7, "app_key": "k", "app_secret": "s"}))
        .send()
        .await
        .problem(400);
    api.ask(Method::POST, "/login")
        .json(&json!([]))
        .send()
        .await
        .problem(400);
    api.ask(Method::POST, "/login")
        .body("application/json", "{")
        .send()
        .await
        .problem(400);
}

#[tokio::test]
async fn a_token_is_taken_in_three_ways_and_refused_after_logout() {
    let api = start().await;
    let ways = |path: &str, token: &str| {
        [
            api.ask(Method::GET, &format!("{path}?sid={token}")),
            api.ask(Method::GET, path)
                .header("cookie", "other=1")
                .header("cookie", format!("a=b; sid={token}")),
            api.ask(Method::GET, path)
                .header("authorization", format!("bearer  {token}")),
        ]
    };
    for way in 0..3 {
        let [token, other] = [(); 2].map(|()| api.service.create_session(&api.app.ident));
        let (token, other) = (token.await.unwrap().text, other.await.unwrap().text);
        for ask in ways("/subscriptions", &token) {
            assert_eq!(ask.send().await.status, 200);
        }
        // A GET that changes something does not take the cookie alone.
        let reply = match way {
            1 => {
                let post = api.ask(Method::POST, "/logout");
                let post = post.header("cookie", format!("a=b; sid={token}"));
                post.header("sec-fetch-site", "same-origin").send().await
            }
            way => {
                let mut ways = ways("/logout", &token).into_iter();
                ways.nth(way).unwrap().send().await
            }
        };
        assert_eq!(reply.json(), json!({"result": "success"}));
        assert_eq!(cookie(&reply).0, "");
        assert!(cookie(&reply).1.contains(&"max-age=0".to_owned()));
        for ask in ways("/subscriptions", &token) {
            ask.send().await.problem(401);
        }
        assert!(opens(&api, &other).await, "another session goes on");
    }
    let reply = api.session(Method::POST, "/logout").send().await;
    assert_eq!(reply.status, 200);
    assert!(!opens(&api, &api.token).await);
}

#[tokio::test]
async fn a_bearer_counts_more_than_a_sid_unless_it_is_the_administrators() {
    let api = start().await;
    let path = format!("/events?sid={}", api.token);
    api.ask(Method::GET, &path)
        .bearer("made-up")
        .send()
        .await
        .problem(401);
    assert_eq!(
        api.ask(Method::GET, &path)
            .bearer(ADMIN)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(
        api.ask(Method::GET, &path)
            .header("authorization", "Basic eDp5")
            .send()
            .await
            .status,
        200
    );
    assert!(
        api.admin(Method::GET, "/events")
            .send()
            .await
            .problem(403)
            .contains("session token")
    );
}

#[tokio::test]
async fn a_token_expires() {
    let api = start().await;
    api.clock.advance(Duration::from_secs(3599));
    assert!(opens(&api, &api.token).await);
    api.clock.advance(Duration::from_secs(1));
    assert!(!opens(&api, &api.token).await);
}

#[tokio::test]
async fn a_disabled_app_is_refused() {
    let api = start().await;
    let change = |enabled: bool| {
        api.admin(Method::PUT, "/apps/shop")
            .json(&json!({ "enabled": enabled }))
            .send()
    };
    assert_eq!(change(false).await.status, 200);
    api.session(Method::POST, "/events")
        .json(&json!({"data": "x"}))
        .send()
        .await
        .problem(403);
    api.ask(Method::GET, &format!("/login?{QUERY}"))
        .send()
        .await
        .problem(403);
    assert_eq!(change(true).await.status, 200);
    assert!(opens(&api, &api.token).await);
}

#[tokio::test]
async fn nothing_is_open_without_a_token_or_with_a_wrong_one() {
    let api = start().await;
    create(&api.service, "other").await;
    let body = json!({"data": "x", "user_id": "u1", "event": "news"});
    for (method, path) in [
        (Method::GET, "/logout"),
        (Method::POST, "/logout"),
        (Method::POST, "/apps"),
        (Method::GET, "/apps"),
        (Method::GET, "/apps/shop"),
        (Method::PUT, "/apps/shop"),
        (Method::DELETE, "/apps/shop"),
        (Method::POST, "/apps/shop/rotate"),
        (Method::POST, "/apps/shop/sessions/revoke"),
        (Method::GET, "/apps/ping"),
        (Method::POST, "/events"),
        (Method::GET, "/events"),
        (Method::GET, "/sockets"),
        (Method::GET, "/sockets/1.1"),
        (Method::POST, "/subscriptions"),
        (Method::GET, "/subscriptions"),
        (Method::DELETE, "/subscriptions/u1/news"),
        (Method::GET, "/apps/shop/subscribe?user_id=u1&event=news"),
        (Method::POST, "/apps/shop/subscribe"),
        (Method::GET, "/apps/shop/unsubscribe?user_id=u1&event=news"),
        (Method::POST, "/apps/shop/unsubscribe"),
    ] {
        api.ask(method.clone(), path)
            .json(&body)
            .send()
            .await
            .problem(401);
        let wrong = api
            .ask(method, path)
            .bearer("made-up")
            .json(&body)
            .send()
            .await;
        wrong.problem(401);
        assert!(!wrong.text.contains("made-up"));
    }
}

/// The value of a cookie that an answer sets, with its attributes in lower case.
fn cookie(reply: &Reply) -> (String, Vec<String>) {
    let text = reply
        .headers
        .get(header::SET_COOKIE)
        .unwrap()
        .to_str()
        .unwrap();
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, "sid");
    (value.into(), parts.map(str::to_lowercase).collect())
}
