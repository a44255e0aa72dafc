//! Rotating the secret of an app.

use poem::http::Method;
use pushi::core::model::{AppSettings, Secret};
use pushi::core::service::bootstrap::ensure_app;
use serde_json::{Value, json};

use crate::rest::{ADMIN, Api, create, start};

#[tokio::test]
async fn rotating_keeps_the_old_secret_until_it_is_dropped() {
    let api = start().await;
    let login = |secret: &str| {
        api.ask(
            Method::GET,
            &format!("/login?app_id=shop&app_key=shop-key&app_secret={secret}"),
        )
        .send()
    };
    let rotated = api
        .session(Method::POST, "/apps/shop/rotate")
        .send()
        .await
        .json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        (&rotated["previous_secret"], new.len()),
        (&json!("shop-secret"), 64)
    );
    for secret in ["shop-secret", &new] {
        assert_eq!(login(secret).await.status, 200);
    }
    let refused = api
        .session(Method::PUT, "/apps/shop")
        .json(&json!({"previous_secret": "x"}))
        .send()
        .await;
    assert!(refused.problem(400).contains("previous_secret"));
    let renewed = log_in(&api, &new).await;
    let dropped = api
        .ask(Method::PUT, "/apps/shop")
        .bearer(&renewed)
        .json(&json!({"reset": ["previous_secret"]}))
        .send()
        .await
        .json();
    assert_eq!(
        (&dropped["previous_secret"], &dropped["secret"]),
        (&Value::Null, &json!(new))
    );
    login("shop-secret").await.problem(401);
    assert_eq!(login(&new).await.status, 200);
}

async fn log_in(api: &Api, secret: &str) -> String {
    let path = format!("/login?app_id=shop&app_key=shop-key&app_secret={secret}");
    let reply = api.ask(Method::GET, &path).send().await;
    reply.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_reads_only_the_secret_that_opened_it() {
    let api = start().await;
    let old = api.token.clone();
    let of = |token: &str, method, path: &str| api.ask(method, path).bearer(token);
    let shown = of(&old, Method::GET, "/apps/shop").send().await.json();
    assert_eq!(
        (&shown["secret"], &shown["previous_secret"]),
        (&json!("shop-secret"), &Value::Null)
    );
    let rotated = of(&old, Method::POST, "/apps/shop/rotate")
        .send()
        .await
        .json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let renewed = log_in(&api, &new).await;
    let again = log_in(&api, "shop-secret").await;
    for (token, read, unread) in [
        (&old, "shop-secret", new.as_str()),
        (&again, "shop-secret", new.as_str()),
        (&renewed, new.as_str(), "shop-secret"),
    ] {
        for (method, path) in [
            (Method::GET, "/apps/shop"),
            (Method::GET, "/apps"),
            (Method::PUT, "/apps/shop"),
        ] {
            let reply = of(token, method, path).json(&json!({})).send().await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert!(reply.text.contains(read) && !reply.text.contains(unread));
        }
    }
    // The administrator reads both.
    let whole = api.admin(Method::GET, "/apps/shop").send().await.json();
    assert_eq!(
        (&whole["secret"], &whole["previous_secret"]),
        (&json!(new), &json!("shop-secret"))
    );
    // What a session of the current secret reads can be sent back without an end of the rotation.
    let shown = of(&renewed, Method::GET, "/apps/shop").send().await.json();
    assert_eq!(shown.get("previous_secret"), None);
}

#[tokio::test]
async fn only_a_session_of_the_current_secret_rotates_it() {
    let api = start().await;
    let rotate = |token: &str| {
        let ask = api.ask(Method::POST, "/apps/shop/rotate").bearer(token);
        ask.send()
    };
    let new = rotate(&api.token).await.json()["secret"].clone();
    let message = rotate(&api.token).await.problem(403);
    assert!(message.contains("log in with the current one"), "{message}");
    let stored = api.admin(Method::GET, "/apps/shop").send().await.json();
    assert_eq!(stored["secret"], new);
    let renewed = log_in(&api, new.as_str().unwrap()).await;
    assert_eq!(rotate(&renewed).await.status, 200);
    // Of the one before the previous.
    rotate(&api.token).await.problem(401);
}

#[tokio::test]
async fn sessions_end_with_the_secret_that_opened_them() {
    let api = start().await;
    let opens = async |token: &str| {
        let ask = api.ask(Method::GET, "/events").bearer(token);
        ask.send().await.status
    };
    let rotated = api.session(Method::POST, "/apps/shop/rotate").send().await;
    let renewed = log_in(&api, rotated.json()["secret"].as_str().unwrap()).await;
    assert_eq!((opens(&api.token).await, opens(&renewed).await), (200, 200));
    let drop = json!({"reset": ["previous_secret"]});
    let reply = api.admin(Method::PUT, "/apps/shop").json(&drop).send();
    assert_eq!(reply.await.status, 200);
    assert_eq!((opens(&api.token).await, opens(&renewed).await), (401, 200));

    // As a start with another configured secret does it: a rotation ends as well.
    api.admin(Method::POST, "/apps/shop/rotate").send().await;
    let newest = api.service.create_session(&api.app.ident).await.unwrap();
    let configure = async |secret: &str| {
        let secret = Secret::new(secret);
        ensure_app(
            &api.service,
            &api.app.ident,
            "shop-key",
            &secret,
            None,
            AppSettings::default(),
        )
        .await
    };
    configure("configured").await.unwrap();
    for token in [&renewed, &newest.text] {
        assert_eq!(opens(token).await, 401);
    }
    let configured = log_in(&api, "configured").await;
    configure("configured").await.unwrap();
    assert_eq!(opens(&configured).await, 200, "the same secret again");
}

#[tokio::test]
async fn all_sessions_of_an_app_are_revoked_by_itself_or_the_administrator() {
    let api = start().await;
    let other = create(&api.service, "other").await;
    let other = api.service.create_session(&other.ident).await.unwrap().text;
    let revoke = |ident: &str| format!("/apps/{ident}/sessions/revoke");
    let opens = async |token: &str| {
        let ask = api.ask(Method::GET, "/events").bearer(token);
        ask.send().await.status
    };
    let ask = api.ask(Method::POST, &revoke("shop")).bearer(&other);
    ask.send().await.problem(404);
    let ask = api.ask(Method::POST, &revoke("shop"));
    ask.send().await.problem(401);
    for by_administrator in [false, true] {
        let tokens = [
            log_in(&api, "shop-secret").await,
            log_in(&api, "shop-secret").await,
        ];
        for token in &tokens {
            assert_eq!(opens(token).await, 200);
        }
        let token = if by_administrator { ADMIN } else { &tokens[0] };
        let ask = api.ask(Method::POST, &revoke("shop")).bearer(token);
        assert_eq!(ask.send().await.json(), json!({"result": "success"}));
        for token in &tokens {
            assert_eq!(opens(token).await, 401);
        }
    }
    assert_eq!(opens(&other).await, 200);
    let ask = api.admin(Method::POST, &revoke("nobody"));
    ask.send().await.problem(404);
    // A login after that opens the app as before.
    assert_eq!(opens(&log_in(&api, "shop-secret").await).await, 200);
}
