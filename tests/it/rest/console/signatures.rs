//! POST /signatures/check

use data_encoding::HEXLOWER;
use poem::http::Method;
use pushi::core::auth::{SignedRequest, channel_auth, user_auth};
use pushi::core::model::Secret;
use serde_json::{Value, json};

use crate::rest::connecting::connect;
use crate::rest::{Api, create, start};

fn auth_by(secret: &str, socket: &str, channel: &str, data: Option<&str>) -> String {
    channel_auth("shop-key", &Secret::new(secret), socket, channel, data)
}

fn auth(socket: &str, channel: &str, data: Option<&str>) -> String {
    auth_by("shop-secret", socket, channel, data)
}

/// The result of a check by the administrator, which shows no secret and no signature that was not sent.
async fn check(api: &Api, body: &Value) -> Value {
    let ask = api.admin(Method::POST, "/signatures/check").json(body);
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.text.contains("-secret"), "{}", reply.text);
    let text = reply.json()["string_to_sign"].clone();
    if let Some(text) = text.as_str() {
        let (socket, rest) = text.split_once(':').unwrap_or((text, ""));
        let right = auth(socket, rest, None);
        let (_, signature) = right.rsplit_once(':').unwrap();
        assert!(!reply.text.contains(signature), "{}", reply.text);
    }
    reply.json()
}

/// The parts that are wrong.
fn parts(checked: &Value) -> Vec<&str> {
    let problems = checked["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| problem["part"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_right_signature_is_valid() {
    let api = start().await;
    let right =
        json!({"auth": auth("1.2", "private-a", None), "socket_id": "1.2", "channel": "private-a"});
    assert_eq!(
        check(&api, &right).await,
        json!({"valid": true, "kind": "channel", "app": "shop", "problems": [], "string_to_sign": "1.2:private-a"})
    );
    let secret = Secret::new("shop-secret");
    let user = json!({"auth": user_auth("shop-key", &secret, "1.2", "{}"), "socket_id": "1.2", "user_data": "{}"});
    let checked = check(&api, &user).await;
    assert_eq!(
        (&checked["valid"], &checked["kind"]),
        (&true.into(), &"user".into())
    );
    assert_eq!(checked["string_to_sign"], "1.2::user::{}");

    api.service.rotate_secret(&api.app.ident).await.unwrap();
    let checked = check(&api, &right).await;
    assert_eq!(
        (&checked["valid"], parts(&checked)),
        (&true.into(), vec!["secret"])
    );
}

#[tokio::test]
async fn the_wrong_part_of_a_channels_signature_is_named() {
    let api = start().await;
    create(&api.service, "other").await;
    let data = r#"{"user_id":"ann","user_info":{"name":"Ann, A"}}"#;
    let spaced = r#"{"user_id": "ann", "user_info": {"name": "Ann, A"}}"#;
    let hex = |auth: &str| auth.rsplit_once(':').unwrap().1.to_owned();
    let right = auth("1.2", "private-a", None);
    let mut base64 = HEXLOWER.decode(hex(&right).as_bytes()).unwrap();
    base64.truncate(32);
    let base64 = data_encoding::BASE64.encode(&base64);
    for (part, auth, channel, channel_data) in [
        ("auth", String::new(), "private-a", None),
        ("auth", hex(&right), "private-a", None),
        ("auth", format!("{right}\n"), "private-a", None),
        (
            "key",
            right.replace("shop-key", "nobody"),
            "private-a",
            None,
        ),
        (
            "signature",
            right.to_uppercase().replace("SHOP-KEY", "shop-key"),
            "private-a",
            None,
        ),
        ("signature", format!("shop-key:{base64}"), "private-a", None),
        (
            "signature",
            format!("shop-key:{}", "a1".repeat(20)),
            "private-a",
            None,
        ),
        (
            "signature",
            format!("shop-key:{}", "a1".repeat(32)),
            "private-a",
            None,
        ),
        (
            "secret",
            auth_by("shop-key", "1.2", "private-a", None),
            "private-a",
            None,
        ),
        (
            "secret",
            auth_by("other-secret", "1.2", "private-a", None),
            "private-a",
            None,
        ),
        ("auth", auth("private-a", "1.2", None), "private-a", None),
        ("auth", auth("1.2", "private-a\n", None), "private-a", None),
        ("channel", auth("1.2", "a", None), "private-a", None),
        (
            "channel",
            auth("1.2", "presence-a", None),
            "private-a",
            None,
        ),
        (
            "channel_data",
            auth("1.2", "presence-a", None),
            "presence-a",
            Some(data),
        ),
        (
            "channel_data",
            auth("1.2", "presence-a", Some(spaced)),
            "presence-a",
            Some(data),
        ),
        (
            "channel_data",
            auth("1.2", "presence-a", Some(data)),
            "presence-a",
            Some(spaced),
        ),
        (
            "auth",
            auth("1.2", data, Some("presence-a")),
            "presence-a",
            Some(data),
        ),
        ("channel", auth("1.2", "a", None), "a", None),
    ] {
        let body = json!({"auth": auth, "socket_id": "1.2", "channel": channel, "channel_data": channel_data});
        let checked = check(&api, &body).await;
        assert_eq!(checked["valid"], false, "{body}");
        assert!(parts(&checked).contains(&part), "{body}: {checked}");
        let text = match channel_data {
            Some(data) => format!("1.2:{channel}:{data}"),
            None => format!("1.2:{channel}"),
        };
        assert_eq!(checked["string_to_sign"], *text);
    }
    let other =
        json!({"key": "other-key", "auth": right, "socket_id": "1.2", "channel": "private-a"});
    assert_eq!(parts(&check(&api, &other).await), ["key"]);
    let malformed = json!({"auth": right, "socket_id": "1", "channel": "private-a"});
    assert!(parts(&check(&api, &malformed).await).contains(&"socket_id"));
    let nothing = check(&api, &json!({})).await;
    assert_eq!(parts(&nothing), ["auth", "socket_id", "channel"]);
}

#[tokio::test]
async fn a_signature_of_another_connection_or_channel_is_recognised() {
    let api = start().await;
    let connection = connect(&api, "shop-key", &["private-b"]).await;
    let id = connection.id().to_string();
    let stale =
        json!({"auth": auth(&id, "private-a", None), "socket_id": "1.2", "channel": "private-a"});
    let checked = check(&api, &stale).await;
    assert_eq!(parts(&checked), ["socket_id"]);
    assert!(
        checked["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains(&id)
    );
    let other =
        json!({"auth": auth("1.2", "private-b", None), "socket_id": "1.2", "channel": "private-a"});
    assert_eq!(parts(&check(&api, &other).await), ["channel"]);
}

#[tokio::test]
async fn the_wrong_part_of_a_request_is_named() {
    let api = start().await;
    create(&api.service, "other").await;
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let signed = |method: &str, path: &str, query: &[(&str, &str)]| {
        let query = pairs(query);
        let request = SignedRequest {
            method,
            path,
            query: &query,
            has_body: false,
        };
        request.signature(&Secret::new("shop-secret"))
    };
    let now = "1795337092";
    let md5 = "99914b932bd37a50b983c5e7c90ae93b";
    let path = "/apps/shop/events";
    let query: Vec<(&str, &str)> = vec![
        ("auth_key", "shop-key"),
        ("auth_timestamp", now),
        ("auth_version", "1.0"),
        ("body_md5", md5),
    ];
    let ask = |method: &str, path: &str, query: &[(&str, &str)], signature: &str, body: &str| {
        let mut text: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        text.push(format!("auth_signature={signature}"));
        json!({"method": method, "path": path, "query": text.join("&"), "body": body})
    };
    let right = signed("POST", path, &query);
    let valid = check(&api, &ask("POST", path, &query, &right, "{}")).await;
    assert_eq!(
        (&valid["valid"], &valid["kind"]),
        (&true.into(), &"request".into()),
        "{valid}"
    );
    let text = format!(
        "POST\n{path}\nauth_key=shop-key&auth_timestamp={now}&auth_version=1.0&body_md5={md5}"
    );
    assert_eq!(valid["string_to_sign"], *text);
    let with = |name: &str, value: &'static str| {
        let change = |pair: &(&'static str, &'static str)| {
            if pair.0 == name {
                (pair.0, value)
            } else {
                *pair
            }
        };
        query.iter().map(change).collect::<Vec<_>>()
    };
    let late = with("auth_timestamp", "1795336000");
    let version = with("auth_version", "2.0");
    let key = with("auth_key", "nobody");
    let old = signed("POST", path, &late);
    for (part, body) in [
        ("body_md5", ask("POST", path, &query, &right, "{ }")),
        ("timestamp", ask("POST", path, &late, &old, "{}")),
        (
            "version",
            ask(
                "POST",
                path,
                &version,
                &signed("POST", path, &version),
                "{}",
            ),
        ),
        (
            "key",
            ask("POST", path, &key, &signed("POST", path, &key), "{}"),
        ),
        (
            "path",
            ask(
                "POST",
                "/apps/other/events",
                &query,
                &signed("POST", "/apps/other/events", &query),
                "{}",
            ),
        ),
        (
            "path",
            ask(
                "POST",
                path,
                &query,
                &signed("POST", "/apps/shop/events/", &query),
                "{}",
            ),
        ),
        (
            "method",
            ask("POST", path, &query, &signed("GET", path, &query), "{}"),
        ),
        (
            "body_md5",
            ask(
                "POST",
                path,
                &query,
                &signed("POST", path, &query[..3]),
                "{}",
            ),
        ),
        (
            "signature",
            ask("POST", path, &query, &"0".repeat(64), "{}"),
        ),
        ("signature", ask("POST", path, &query[..3], "", "{}")),
    ] {
        let checked = check(&api, &body).await;
        assert_eq!(checked["valid"], false, "{body}");
        assert!(parts(&checked).contains(&part), "{part}: {body}: {checked}");
    }
}

#[tokio::test]
async fn a_session_learns_nothing_of_other_apps() {
    let api = start().await;
    create(&api.service, "other").await;
    let foreign = channel_auth(
        "other-key",
        &Secret::new("other-secret"),
        "1.2",
        "private-a",
        None,
    );
    for auth in [foreign, auth_by("other-secret", "1.2", "private-a", None)] {
        let body = json!({"auth": auth, "socket_id": "1.2", "channel": "private-a"});
        let ask = api.session(Method::POST, "/signatures/check").json(&body);
        let reply = ask.send().await;
        assert_eq!(reply.json()["valid"], false);
        assert!(!reply.text.contains("other"), "{}", reply.text);
    }
    let ask = api.ask(Method::POST, "/signatures/check").json(&json!({}));
    ask.send().await.problem(401);
    let ask = api
        .admin(Method::POST, "/signatures/check")
        .json(&json!({"secret": "x"}));
    ask.send().await.problem(400);
}
