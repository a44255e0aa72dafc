//! VAPID keys.

use poem::http::Method;
use pushi::core::model::P256Key;
use serde_json::json;

use super::web_push::{PRIVATE, PUBLIC};
use crate::rest::{Api, create, start};

async fn key(api: &Api) -> String {
    let reply = api.session(Method::GET, "/vapid_key").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["vapid_public_key"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn make(api: &Api, query: &str) -> String {
    let path = format!("/apps/shop/vapid{query}");
    let reply = api.session(Method::POST, &path).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["vapid_public_key"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_key_is_made_once_and_replaced_on_demand() {
    let api = start().await;
    let none = api.session(Method::GET, "/vapid_key").send().await;
    let message = none.problem(404);
    assert!(message.contains("pushi app vapid shop"), "{message}");
    let first = make(&api, "").await;
    assert_eq!((first.len(), key(&api).await), (87, first.clone()));
    let again = api.session(Method::POST, "/apps/shop/vapid").send().await;
    assert!(again.problem(409).contains("replace=1"));
    assert_eq!(key(&api).await, first);
    let second = make(&api, "?replace=1").await;
    assert_ne!(first, second);
    assert_eq!(key(&api).await, second);
}

#[tokio::test]
async fn the_administrator_makes_keys_of_every_app_and_a_session_its_own() {
    let api = start().await;
    create(&api.service, "other").await;
    let reply = api.admin(Method::POST, "/apps/other/vapid").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let other = api.session(Method::POST, "/apps/other/vapid").send().await;
    other.problem(404);
    let nobody = api.ask(Method::POST, "/apps/shop/vapid").send().await;
    nobody.problem(401);
    let none = api.admin(Method::POST, "/apps/none/vapid").send().await;
    none.problem(404);
}

#[tokio::test]
async fn the_public_key_of_every_form_is_shown() {
    let api = start().await;
    let pem = P256Key::parse(PRIVATE).unwrap().to_pem().unwrap();
    for text in [PRIVATE, pem.expose()] {
        let change = json!({"vapid_key": text});
        let changed = api.session(Method::PUT, "/apps/shop").json(&change);
        assert_eq!(changed.send().await.status, 200);
        assert_eq!(key(&api).await, PUBLIC);
    }
}

#[tokio::test]
async fn keys_and_contacts_that_cannot_be_used_are_not_stored() {
    let api = start().await;
    for (change, expected) in [
        (
            json!({"vapid_key": "AAAA"}),
            "vapid_key must be a private key of the curve P-256",
        ),
        (
            json!({"vapid_key": PUBLIC}),
            "vapid_key must be a private key of the curve P-256",
        ),
        (
            json!({"vapid_email": "shop"}),
            "vapid_email must be an e-mail address",
        ),
        (
            json!({"vapid_email": "http://shop.example"}),
            "vapid_email must be an e-mail address",
        ),
    ] {
        let changed = api.session(Method::PUT, "/apps/shop").json(&change);
        let message = changed.send().await.problem(400);
        assert!(message.contains(expected), "{message}");
    }
    let app = api.session(Method::GET, "/apps/shop").send().await.json();
    assert_eq!(
        (&app["vapid_key"], &app["vapid_email"]),
        (&json!(null), &json!(null))
    );
}
