//! Rotating the secret of an app.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::start;

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
    let dropped = api
        .session(Method::PUT, "/apps/shop")
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
