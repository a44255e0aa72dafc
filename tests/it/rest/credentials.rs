//! Keys and secrets that the administrator chooses.

use poem::http::Method;
use serde_json::json;

use crate::rest::start;

/// Credentials of other servers.
#[tokio::test]
async fn keys_and_secrets_are_any_printable_characters() {
    let api = start().await;
    let (long, hex) = ("~".repeat(256), "0f".repeat(64));
    for (key, secret) in [
        ("a.b:c", "Zm9v+/8=="),
        (&long, &hex),
        ("k/%2F?&#+", "!\"$'\\^`{|}"),
    ] {
        let body = json!({"name": "x", "key": key, "secret": secret});
        let app = api.admin(Method::POST, "/apps").json(&body).send().await;
        let app = app.json();
        assert_eq!((&app["key"], &app["secret"]), (&json!(key), &json!(secret)));
        let login = json!({"app_id": app["ident"], "app_key": key, "app_secret": secret});
        let reply = api.ask(Method::POST, "/login").json(&login).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let too_long = "x".repeat(257);
    for bad in ["", "a b", "a\n", "a\t", "\u{e9}", "\u{7f}", &too_long] {
        for name in ["key", "secret"] {
            let body = json!({"name": "x", name: bad});
            let reply = api.admin(Method::POST, "/apps").json(&body).send().await;
            let message = reply.problem(400);
            assert!(
                message.starts_with(&format!("{name} must be 1 to 256")),
                "{message}"
            );
        }
    }
    let dots = json!({"name": "x", "key": ".."});
    let reply = api.admin(Method::POST, "/apps").json(&dots).send().await;
    assert!(reply.problem(400).contains(".."));
}
