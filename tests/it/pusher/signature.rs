//! Authentication of the Pusher HTTP API.

use std::time::Duration;

use poem::http::Method;
use pushi::core::auth::SignedRequest;
use pushi::core::model::{AppIdent, NewApp, Secret};
use pushi_test_support::Fault;
use serde_json::json;

use crate::pusher::{NOW, get, post, posting, signed, signed_with};
use crate::rest::{Api, start};

const PATH: &str = "/apps/shop/events";
const BODY: &str = r#"{"name":"e","channel":"c","data":"x"}"#;

async fn ask(api: &Api, body: &str, query: &str) -> (u16, String) {
    let reply = api
        .ask(Method::POST, &format!("{PATH}?{query}"))
        .body("application/json", body)
        .send()
        .await;
    let message = if reply.status == 200 {
        reply.text
    } else {
        reply.problem(reply.status)
    };
    (reply.status, message)
}

/// The example request of Pusher's documentation is accepted at its timestamp.
#[tokio::test]
async fn the_documented_request_is_let_in() {
    let api = start().await;
    let new = NewApp {
        name: "documented".into(),
        ident: Some(AppIdent::parse("3").unwrap()),
        key: Some("278d425bdf160c739803".into()),
        secret: Some(Secret::new("7ad3773142a6692b25b8")),
        ..NewApp::default()
    };
    api.service.create_app(new).await.unwrap();
    let path = "/apps/3/events?body_md5=ec365a775a4cd0599faeb73354201b6f&auth_version=1.0&auth_key=278d425bdf160c739803\
                &auth_timestamp=1353088179&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    let asked = || {
        api.ask(Method::POST, path)
            .body("application/json", body)
            .send()
    };
    assert!(asked().await.problem(401).contains("auth_timestamp"));
    api.clock.set(1_353_088_179);
    let reply = asked().await;
    assert_eq!(
        (
            reply.status,
            reply.text.as_str(),
            reply.header("content-type")
        ),
        (200, "{}", "application/json")
    );
}

/// Some libraries escape the query, others do not.
#[tokio::test]
async fn the_key_is_escaped_or_not() {
    let api = start().await;
    for (number, key) in ["a.b:c", "Zm9v+8==", "a+b/c"].into_iter().enumerate() {
        let new = NewApp {
            name: "odd".into(),
            ident: Some(AppIdent::parse(&format!("odd{number}")).unwrap()),
            key: Some(key.into()),
            secret: Some(Secret::new("+/= :".replace(' ', ""))),
            ..NewApp::default()
        };
        let app = api.service.create_app(new).await.unwrap();
        let path = format!("/apps/odd{number}/channels");
        let query = [
            ("auth_key".to_owned(), key.to_owned()),
            ("auth_timestamp".to_owned(), NOW.to_string()),
            ("auth_version".to_owned(), "1.0".to_owned()),
        ];
        let request = SignedRequest {
            method: "GET",
            path: &path,
            query: &query,
            has_body: false,
        };
        let signature = request.signature(&app.secret);
        let escaped = key
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        for sent in [key, &escaped] {
            let target = format!(
                "{path}?auth_key={sent}&auth_timestamp={NOW}&auth_version=1.0&auth_signature={signature}"
            );
            let reply = api.ask(Method::GET, &target).send().await;
            assert_eq!(reply.status, 200, "{sent}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn each_invalid_part_is_reported() {
    let api = start().await;
    assert_eq!(
        ask(&api, BODY, &signed(&Method::POST, PATH, BODY, &[])).await,
        (200, "{}".into())
    );
    for name in [
        "auth_key",
        "auth_timestamp",
        "auth_version",
        "body_md5",
        "auth_signature",
    ] {
        let query = signed(&Method::POST, PATH, BODY, &[]);
        let without: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.starts_with(name))
            .collect();
        let (status, message) = ask(&api, BODY, &without.join("&")).await;
        assert!(
            status == 401 && message.contains(name),
            "{name}: {status} {message}"
        );
    }
    for (name, value) in [
        ("auth_key", "other-key"),
        ("auth_version", "2.0"),
        ("auth_timestamp", "soon"),
        ("body_md5", "00"),
    ] {
        let (status, message) = ask(
            &api,
            BODY,
            &signed(&Method::POST, PATH, BODY, &[(name, value)]),
        )
        .await;
        assert!(
            status == 401 && message.contains(name),
            "{name}: {status} {message}"
        );
    }
    let (status, message) = ask(
        &api,
        BODY,
        &signed_with("another-secret", &Method::POST, PATH, BODY, &[]),
    )
    .await;
    assert!(
        status == 401 && message.contains("auth_signature") && !message.contains("secret\""),
        "{message}"
    );
    // Another body, path, method or parameter than the one that was signed.
    let other = r#"{"name":"e","channel":"c","data":"y"}"#;
    assert_eq!(
        ask(&api, other, &signed(&Method::POST, PATH, BODY, &[]))
            .await
            .0,
        401
    );
    assert_eq!(
        ask(
            &api,
            BODY,
            &signed(&Method::POST, "/apps/shop/batch_events", BODY, &[])
        )
        .await
        .0,
        401
    );
    assert_eq!(
        ask(&api, BODY, &signed(&Method::GET, PATH, BODY, &[]))
            .await
            .0,
        401
    );
    assert_eq!(
        ask(
            &api,
            BODY,
            &format!("{}&more=1", signed(&Method::POST, PATH, BODY, &[]))
        )
        .await
        .0,
        401
    );
    // Before anything of the body is looked at.
    assert_eq!(ask(&api, "{", "").await.0, 401);
}

#[tokio::test]
async fn a_request_is_good_for_600_seconds_in_both_directions() {
    let api = start().await;
    for (apart, status) in [(-600, 200), (-601, 401), (600, 200), (601, 401)] {
        // The clock is a fraction after the second, so the past limit is reached earlier.
        api.clock.set(NOW);
        let timestamp = (NOW + apart).to_string();
        let query = signed(&Method::POST, PATH, BODY, &[("auth_timestamp", &timestamp)]);
        assert_eq!(ask(&api, BODY, &query).await.0, status, "{apart}");
    }
}

#[tokio::test]
async fn a_get_may_bring_the_md5_of_nothing_and_parameters_in_any_case() {
    let api = start().await;
    let nothing = "d41d8cd98f00b204e9800998ecf8427e";
    assert_eq!(get(&api, "/apps/shop/channels", &[]).await.status, 200);
    assert_eq!(
        get(&api, "/apps/shop/channels", &[("body_md5", nothing)])
            .await
            .status,
        200
    );
    assert!(
        get(&api, "/apps/shop/channels", &[("body_md5", "x")])
            .await
            .problem(401)
            .contains("body_md5")
    );
    assert_eq!(
        get(&api, "/apps/shop/channels", &[("Further", "a b&c=d+e%")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_path_may_be_signed_as_it_was_sent_or_as_it_was_meant() {
    let api = start().await;
    let sent = "/apps/shop/users/a%20b%C3%A9/terminate_connections";
    for path in [sent, "/apps/shop/users/a bé/terminate_connections"] {
        let query = signed(&Method::POST, path, "", &[]);
        assert_eq!(
            api.ask(Method::POST, &format!("{sent}?{query}"))
                .send()
                .await
                .status,
            200,
            "{path}"
        );
    }
    let query = signed(
        &Method::POST,
        "/apps/shop/users/a b/terminate_connections",
        "",
        &[],
    );
    api.ask(Method::POST, &format!("{sent}?{query}"))
        .send()
        .await
        .problem(401);
}

#[tokio::test]
async fn both_secrets_are_good_during_a_rotation() {
    let api = start().await;
    assert_eq!(
        api.admin(Method::POST, "/apps/shop/rotate")
            .send()
            .await
            .status,
        200
    );
    assert_eq!(
        post(
            &api,
            PATH,
            &json!({"name": "e", "channel": "c", "data": "x"})
        )
        .await
        .status,
        200
    );
    api.admin(Method::PUT, "/apps/shop")
        .json(&json!({"reset": ["previous_secret"]}))
        .send()
        .await;
    post(
        &api,
        PATH,
        &json!({"name": "e", "channel": "c", "data": "x"}),
    )
    .await
    .problem(401);
}

#[tokio::test]
async fn other_apps_disabled_ones_and_none() {
    let api = start().await;
    crate::rest::create(&api.service, "other").await;
    for path in ["/apps/none/channels", "/apps/no%20ident/channels"] {
        assert!(get(&api, path, &[]).await.problem(404).contains("app"));
    }
    assert!(
        get(&api, "/apps/other/channels", &[])
            .await
            .problem(401)
            .contains("auth_key")
    );
    api.admin(Method::PUT, "/apps/shop")
        .json(&json!({"enabled": false}))
        .send()
        .await;
    assert!(
        get(&api, "/apps/shop/channels", &[])
            .await
            .problem(403)
            .contains("disabled")
    );
    // Only a caller with a valid signature gets this error.
    let unsigned = signed_with("no-secret", &Method::GET, "/apps/shop/channels", "", &[]);
    api.ask(Method::GET, &format!("/apps/shop/channels?{unsigned}"))
        .send()
        .await
        .problem(401);
}

#[tokio::test]
async fn a_session_or_the_administrator_is_not_enough() {
    let api = start().await;
    api.session(Method::GET, "/apps/shop/channels")
        .send()
        .await
        .problem(401);
    api.admin(Method::POST, PATH)
        .body("application/json", BODY)
        .send()
        .await
        .problem(401);
}

#[tokio::test]
async fn other_types_methods_and_forms_of_a_body() {
    let api = start().await;
    let query = signed(&Method::POST, PATH, BODY, &[]);
    api.ask(Method::POST, &format!("{PATH}?{query}"))
        .body("text/plain", BODY)
        .send()
        .await
        .problem(415);
    assert_eq!(
        api.ask(Method::DELETE, PATH).send().await.header("allow"),
        "POST, OPTIONS"
    );
    for body in ["", "{", "[]", "7", r#"{"name":"\ud800"}"#] {
        posting(&api, PATH, body).send().await.problem(400);
    }
    // Libraries send an empty object or an empty body where there is no content.
    for body in ["", "{}"] {
        assert_eq!(
            posting(&api, "/apps/shop/users/u/terminate_connections", body)
                .send()
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn cached_data_needs_no_store() {
    let api = start().await;
    api.store.apps.set(Fault::Unavailable);
    assert_eq!(get(&api, "/apps/shop/channels", &[]).await.status, 200);
    get(&api, "/apps/unknown/channels", &[]).await.problem(503);
    api.clock.advance(Duration::from_secs(601));
    get(&api, "/apps/shop/channels", &[]).await.problem(401);
}
