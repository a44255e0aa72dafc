//! Creating, reading and deleting apps, and the required permissions.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::{Setup, create, start};

#[tokio::test]
async fn an_app_has_its_full_form() {
    let api = start().await;
    let reply = api
        .admin(Method::POST, "/apps")
        .json(&json!({"name": "news"}))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let app = reply.json();
    for credential in ["ident", "key", "secret"] {
        assert_eq!(app[credential].as_str().unwrap().len(), 64, "{credential}");
    }
    assert_eq!(
        (&app["instance"], &app["name"], &app["id"]),
        (&app["ident"], &json!("news"), &json!(2))
    );
    assert_eq!(
        (&app["created"], &app["modified"]),
        (&json!(1_795_337_092.27), &json!(1_795_337_092.27))
    );
    let defaults = json!({
        "description": null, "previous_secret": null, "apn_sandbox": false, "apn_key": null, "apn_cer": null,
        "apn_key_id": null, "apn_team_id": null, "apn_topic": null, "vapid_key": null,
        "vapid_email": null, "smtp_url": null, "enabled": true, "client_publish": true, "client_events": false,
        "signed_presence": false, "subscription_count": false, "require_signin": false, "signin_timeout": 30, "tls_only": false,
        "allowed_origins": [], "over_capacity": 4004, "replay": {}, "webhooks": [], "token_keys": {"keys": []}, "max_connections": null,
        "max_message_bytes": null, "max_data_bytes": null, "max_channels_per_connection": null, "max_members": null,
        "max_member_bytes": null, "max_client_events": null, "max_publishes": null,
    });
    for (name, value) in defaults.as_object().unwrap() {
        assert_eq!(&app[name], value, "{name}");
    }
}

#[tokio::test]
async fn the_administrator_chooses_ident_key_and_secret() {
    let api = start().await;
    let chosen = json!({"name": "x", "ident": "1234567", "key": "my-key_1", "secret": "my-secret_1", "enabled": false, "max_members": 5});
    let app = api
        .admin(Method::POST, "/apps")
        .json(&chosen)
        .send()
        .await
        .json();
    for (name, value) in chosen.as_object().unwrap() {
        assert_eq!(&app[name], value, "{name}");
    }
    for name in ["ident", "key"] {
        let again = json!({"name": "again", name: chosen[name]});
        let message = api
            .admin(Method::POST, "/apps")
            .json(&again)
            .send()
            .await
            .problem(409);
        assert!(message.contains(name), "{message}");
    }
    // Null is as if it had been left out.
    let made = api
        .admin(Method::POST, "/apps")
        .json(&json!({"name": "x", "ident": null, "replay": null}))
        .send()
        .await;
    assert_eq!(made.json()["ident"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn an_app_that_cannot_be() {
    let api = start().await;
    for (body, named) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": " \u{3000}"}), "name"),
        (json!({"name": "a\u{7}"}), "name"),
        (json!({"name": "n".repeat(201)}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": "x", "ident": "with space"}), "ident"),
        (json!({"name": "x", "ident": "i".repeat(65)}), "ident"),
        (json!({"name": "x", "ident": "ping"}), "ping"),
        (json!({"name": "x", "ident": 7}), "ident"),
        (json!({"name": "x", "key": "a b"}), "key"),
        (json!({"name": "x", "secret": "ü"}), "secret"),
        (json!({"name": "x", "nonsense": 1}), "nonsense"),
        (
            json!({"name": "x", "previous_secret": null}),
            "previous_secret",
        ),
        (json!({"name": "x", "instance": "y"}), "instance"),
        (json!({"name": "x", "reset": ["replay"]}), "reset"),
        (json!([]), "object"),
        (json!("x"), "object"),
    ] {
        let message = api
            .admin(Method::POST, "/apps")
            .json(&body)
            .send()
            .await
            .problem(400);
        assert!(message.contains(named), "{body}: {message}");
    }
    for text in [
        "",
        "{",
        "\u{0}",
        r#"{"name":"\ud800"}"#,
        r#"{"name":"x","max_members":1e999}"#,
    ] {
        api.admin(Method::POST, "/apps")
            .body("application/json", text)
            .send()
            .await
            .problem(400);
    }
    assert_eq!(
        api.admin(Method::GET, "/apps").send().await.json()["apps"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn creating_and_deleting_is_the_administrators() {
    let api = start().await;
    let body = json!({"name": "x"});
    for (method, path) in [(Method::POST, "/apps"), (Method::DELETE, "/apps/shop")] {
        api.ask(method.clone(), path)
            .json(&body)
            .send()
            .await
            .problem(401);
        api.ask(method.clone(), path)
            .bearer("wrong")
            .json(&body)
            .send()
            .await
            .problem(401);
        api.session(method, path)
            .json(&body)
            .send()
            .await
            .problem(403);
    }
}

#[tokio::test]
async fn without_an_admin_token_the_error_names_the_setting() {
    let api = Setup {
        admin_token: None,
        ..Setup::default()
    }
    .start()
    .await;
    let body = json!({"name": "x"});
    for (method, path) in [(Method::POST, "/apps"), (Method::DELETE, "/apps/shop")] {
        let asks = [
            api.ask(method.clone(), path),
            api.ask(method.clone(), path)
                .header("authorization", "Bearer "),
            api.ask(method.clone(), path).bearer("guess"),
            api.session(method.clone(), path),
        ];
        for ask in asks {
            let message = ask.json(&body).send().await.problem(403);
            assert!(message.contains("PUSHI_ADMIN_TOKEN"), "{message}");
        }
    }
    assert!(
        api.ask(Method::GET, "/apps")
            .send()
            .await
            .problem(403)
            .contains("PUSHI_ADMIN_TOKEN")
    );
    assert!(
        api.ask(Method::GET, "/apps")
            .bearer("guess")
            .send()
            .await
            .problem(401)
            .contains("PUSHI_ADMIN_TOKEN")
    );
    // What is a session's is open all the same.
    assert_eq!(api.session(Method::GET, "/apps").send().await.status, 200);
}

#[tokio::test]
async fn open_registration_lets_anybody_create_and_no_more() {
    let api = Setup {
        admin_token: None,
        open_registration: true,
        ..Setup::default()
    }
    .start()
    .await;
    let create = |body: Value| api.ask(Method::POST, "/apps").json(&body).send();
    assert_eq!(
        create(json!({"name": "anybody's", "client_publish": false}))
            .await
            .status,
        200
    );
    for member in ["ident", "key", "secret", "enabled", "max_members"] {
        let message = create(json!({"name": "x", member: 1})).await.problem(403);
        assert!(message.contains(member), "{message}");
    }
    api.ask(Method::GET, "/apps").send().await.problem(403);
    api.ask(Method::DELETE, "/apps/shop")
        .send()
        .await
        .problem(403);
    let both = Setup {
        open_registration: true,
        ..Setup::default()
    }
    .start()
    .await;
    let chosen = json!({"name": "x", "ident": "chosen"});
    assert_eq!(
        both.admin(Method::POST, "/apps")
            .json(&chosen)
            .send()
            .await
            .json()["ident"],
        "chosen"
    );
}

#[tokio::test]
async fn a_session_reads_its_own_app_and_no_other() {
    let api = start().await;
    create(&api.service, "other").await;
    let listed = api.session(Method::GET, "/apps").send().await.json();
    assert_eq!(
        (
            listed["apps"].as_array().unwrap().len(),
            &listed["apps"][0]["ident"]
        ),
        (1, &json!("shop"))
    );
    assert_eq!(
        api.session(Method::GET, "/apps/shop").send().await.json()["key"],
        "shop-key"
    );
    for (method, path) in [
        (Method::GET, "/apps/other"),
        (Method::PUT, "/apps/other"),
        (Method::POST, "/apps/other/rotate"),
        (Method::POST, "/apps/other/subscribe"),
        (Method::POST, "/apps/other/unsubscribe"),
        (Method::GET, "/apps/no-such-app"),
    ] {
        let body = json!({"name": "stolen"});
        api.session(method, path)
            .json(&body)
            .send()
            .await
            .problem(404);
    }
    assert_eq!(
        api.admin(Method::GET, "/apps/other").send().await.json()["name"],
        "The other"
    );
}

#[tokio::test]
async fn the_administrator_pages_through_every_app() {
    let api = start().await;
    for ident in ["a", "b", "c"] {
        create(&api.service, ident).await;
    }
    let idents = async |query: &str| -> Vec<String> {
        let reply = api
            .admin(Method::GET, &format!("/apps{query}"))
            .send()
            .await
            .json();
        reply["apps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| app["ident"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(idents("").await, ["shop", "a", "b", "c"]);
    assert_eq!(idents("?count=2").await, ["shop", "a"]);
    assert_eq!(idents("?count=2&after=2").await, ["b", "c"]);
    assert_eq!(idents("?after=4").await, [""; 0]);
    assert_eq!(idents("?count=9223372036854775807").await.len(), 4);
    assert_eq!(idents("?count=0").await, [""; 0]);
    for query in [
        "count=-1",
        "count=x",
        "count=",
        "count=1.5",
        "count=9223372036854775808",
        "after=-1",
    ] {
        let message = api
            .admin(Method::GET, &format!("/apps?{query}"))
            .send()
            .await
            .problem(400);
        assert!(
            message.contains(query.split('=').next().unwrap()),
            "{message}"
        );
    }
}

#[tokio::test]
async fn unknown_apps_are_404_for_the_administrator() {
    let api = start().await;
    for path in ["/apps/none", "/apps/a%20b", "/apps/%C3%A9"] {
        api.admin(Method::GET, path).send().await.problem(404);
        api.admin(Method::PUT, path)
            .json(&json!({}))
            .send()
            .await
            .problem(404);
        api.admin(Method::DELETE, path).send().await.problem(404);
        api.admin(Method::POST, &format!("{path}/rotate"))
            .send()
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn deleting_one_ends_it() {
    let api = start().await;
    let reply = api.admin(Method::DELETE, "/apps/shop").send().await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"result": "success"}))
    );
    api.admin(Method::GET, "/apps/shop")
        .send()
        .await
        .problem(404);
    api.session(Method::GET, "/events")
        .send()
        .await
        .problem(401);
    api.ask(
        Method::GET,
        "/login?app_id=shop&app_key=shop-key&app_secret=shop-secret",
    )
    .send()
    .await
    .problem(401);
}

#[tokio::test]
async fn a_ping_is_answered_and_not_stored() {
    let api = start().await;
    let reply = api.session(Method::GET, "/apps/ping").send().await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"result": "success"}))
    );
    assert!(api.events("").await.is_empty());
}
