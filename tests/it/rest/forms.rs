//! Routes that take a form or the query, as in the original.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::start;

const FORM: &str = "application/x-www-form-urlencoded";

fn multipart(pairs: &[(&str, &str)]) -> (String, String) {
    let mut body = String::new();
    for (name, value) in pairs {
        body += &format!(
            "--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    (
        "multipart/form-data; boundary=limit".into(),
        body + "--limit--\r\n",
    )
}

#[tokio::test]
async fn an_app_is_created_by_a_form_or_the_query() {
    let api = start().await;
    let create = |query: &str| api.admin(Method::POST, &format!("/apps{query}"));
    let created = |app: &Value| {
        assert_eq!(
            (&app["name"], &app["description"], &app["client_publish"]),
            (&json!("1 Shop"), &json!("a&b"), &json!(false)),
        );
        assert_eq!(
            (&app["max_connections"], &app["allowed_origins"]),
            (
                &json!(5),
                &json!(["https://a.example", "https://b.example"])
            ),
        );
        assert_eq!(app["replay"], json!({"room-": 50}));
    };
    let text = "name=1+Shop&description=a%26b&client_publish=0&max_connections=5&key=\
        &allowed_origins=https://a.example,https://b.example&replay=%7B%22room-%22:50%7D";
    let by_query = create(&format!("?{text}&ident=q&sid=unused")).send().await;
    created(&by_query.json());
    assert_eq!(by_query.json()["ident"], "q");
    let by_form = create("?ident=f&unknown=1").body(FORM, text).send().await;
    created(&by_form.json());
    assert_eq!(by_form.json()["ident"], "f");
    let (kind, body) = multipart(&[
        ("name", "1 Shop"),
        ("description", "a&b"),
        ("client_publish", "false"),
        ("max_connections", "5"),
        ("allowed_origins", "https://a.example"),
        ("allowed_origins", "https://b.example"),
        ("replay", "{\"room-\": 50}"),
    ]);
    created(&create("").body(&kind, body).send().await.json());
    // A body counts more than the query.
    let body = json!({"name": "by body", "ident": "b"});
    let reply = create("?name=by+query&description=x")
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (&reply.json()["name"], &reply.json()["description"]),
        (&json!("by body"), &json!("x"))
    );
}

#[tokio::test]
async fn an_app_is_changed_by_a_form_or_the_query() {
    let api = start().await;
    let change = |query: &str| api.session(Method::PUT, &format!("/apps/shop{query}"));
    let form = change("").body(FORM, "client_publish=false").send().await;
    assert_eq!(form.json()["client_publish"], false);
    let query = change("?client_publish=true").send().await;
    assert_eq!(query.json()["client_publish"], true);
    let reset = "client_publish=&reset=client_publish,replay";
    change("?client_publish=false").send().await;
    let form = change("").body(FORM, reset).send().await;
    assert_eq!(form.json()["client_publish"], true);
    for (query, named) in [
        ("?client_publish=maybe", "client_publish"),
        ("?colour=red", "colour"),
        ("?secret=x", "secret"),
        ("", "empty"),
    ] {
        let message = change(query).send().await.problem(400);
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn a_user_is_subscribed_by_a_form_or_the_query() {
    let api = start().await;
    let subscribe = |query: &str| api.session(Method::POST, &format!("/subscriptions{query}"));
    let (kind, body) = multipart(&[("user_id", "u 3"), ("event", "news")]);
    for (ask, user) in [
        (subscribe("?user_id=u+1&event=news"), "u 1"),
        (subscribe("").body(FORM, "user_id=u+2&event=news"), "u 2"),
        (subscribe("").body(&kind, body), "u 3"),
        (
            subscribe("?user_id=u").json(&json!({"user_id": 4, "event": "news"})),
            "4",
        ),
    ] {
        let reply = ask.send().await.json();
        assert_eq!(
            (&reply["user_id"], &reply["event"]),
            (&json!(user), &json!("news"))
        );
    }
    let message = subscribe("?user_id=u").send().await.problem(400);
    assert!(message.contains("event is missing"), "{message}");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_says_what_to_send() {
    let api = start().await;
    let ask = |path: &str| api.admin(Method::POST, path);
    let untyped = |path: &str| {
        let text = b"name=Shop".to_vec();
        let ask = ask(path).header("content-length", text.len().to_string());
        ask.untyped(text).send()
    };
    let message = untyped("/apps").await.problem(400);
    assert!(
        message.contains("no Content-Type") && message.contains(FORM),
        "{message}"
    );
    for kind in ["text/plain", "application/xml"] {
        let message = ask("/apps")
            .body(kind, "name=Shop")
            .send()
            .await
            .problem(415);
        assert!(message.contains(FORM), "{message}");
    }
    for (kind, text) in [
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=b", "no such boundary"),
        (FORM, "name=%FF"),
        ("application/json", "name=Shop"),
    ] {
        ask("/apps").body(kind, text).send().await.problem(400);
    }
}
