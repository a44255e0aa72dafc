//! What the console reads and changes.

mod channels;
mod connections;
mod deliveries;
mod overview;
mod settings;
mod signatures;
mod tail;
mod tail_access;

use poem::http::Method;
use pushi::core::model::AppIdent;
use serde_json::Value;

use crate::rest::{Api, create};

/// The answer to a GET by the administrator, which must be 200.
async fn read(api: &Api, path: &str) -> Value {
    let reply = api.admin(Method::GET, path).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.json()
}

/// Only the administrator and a session of the app may use a route of the app.
async fn is_of_the_app_alone(api: &Api, method: Method, path: &str) {
    create(&api.service, "other").await;
    let of = |ident: &str| format!("/apps/{ident}{path}");
    api.ask(method.clone(), &of("shop"))
        .send()
        .await
        .problem(401);
    for ident in ["other", "nobody"] {
        let ask = api.session(method.clone(), &of(ident));
        ask.send().await.problem(404);
    }
    let ask = api.admin(method.clone(), &of("nobody"));
    ask.send().await.problem(404);
    let other = AppIdent::parse("other").unwrap();
    api.service.delete_app(&other).await.unwrap();
    for ask in [
        api.session(method.clone(), &of("shop")),
        api.admin(method.clone(), &of("shop")),
    ] {
        let reply = ask.send().await;
        assert!(
            !matches!(reply.status, 401 | 403 | 404),
            "{path}: {}",
            reply.text
        );
    }
}
