//! PUT /apps/<ident>: partial updates, `reset`, errors that name the field, all or nothing.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::{Api, DOCUMENT, start};

/// A key of the curve P-256.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCz9wp1hSIRP0jXKl
DOhOhhTMYT0HTn75Ftkftr4HsP+hRANCAAQrsPsd1novhvs1uwg731u16bz8kKvd
CDa6tisFq6TnCguGqVkvm9L9X2Keo9MUyWH7ye4fk/VoDc6DcD1ebj6h
-----END PRIVATE KEY-----
";

/// A key of the curve secp256k1.
const OTHER_CURVE: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgYwAgLl2i9Xe4scMLJQDr
8cy5IvaJlKcZfjZHf/GyzNShRANCAASKytosJDjZj7ywHsg9GcbJmEJbwbGCDRej
eK/7fA2N+nj8Mjx7Gg68JXsVA31SGUBO98af4XTqoA1hg/4MI4DN
-----END PRIVATE KEY-----
";

/// The form of a certificate.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

/// A value other than the default for everything that can be set.
fn changed() -> Value {
    json!({
        "name": "renamed", "description": "what it is for", "apn_sandbox": true, "apn_key": KEY, "apn_cer": CERTIFICATE,
        "apn_key_id": "ABC123DEFG", "apn_team_id": "DEF123GHIJ", "apn_topic": "com.example.shop",
        "vapid_key": KEY, "vapid_email": "a@b.example", "smtp_url": "smtp://mail.example", "enabled": false,
        "client_publish": false, "client_events": true, "signed_presence": true, "subscription_count": true, "require_signin": true,
        "signin_timeout": 5, "tls_only": true, "allowed_origins": ["https://shop.example"], "over_capacity": 4100,
        "replay": {"chat-": 50, "": 1},
        "webhooks": [
            {"url": "https://shop.example/hook", "events": ["channel_occupied", "cache_miss"], "channel_prefix": "presence-"},
            {"url": "http://[::1]:8080"},
        ],
        "token_keys": {"keys": [
            {"kty": "EC", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
             "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU", "alg": "ES256", "use": "sig", "kid": "one"},
            {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA", "use": "sig"},
        ]},
        "max_connections": 7, "max_message_bytes": 0, "max_data_bytes": 7, "max_channels_per_connection": 7, "max_members": 7,
        "max_member_bytes": 7, "max_client_events": 7, "max_publishes": i64::MAX,
    })
}

async fn put(api: &Api, body: Value) -> Value {
    let reply = api
        .admin(Method::PUT, "/apps/shop")
        .json(&body)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text);
    reply.json()
}

async fn get(api: &Api) -> Value {
    api.admin(Method::GET, "/apps/shop").send().await.json()
}

#[test]
fn everything_that_the_document_names_is_tried_here() {
    let documented = DOCUMENT["components"]["schemas"]["AppChange"]["properties"]
        .as_object()
        .unwrap();
    let mut tried: Vec<_> = changed().as_object().unwrap().keys().cloned().collect();
    tried.extend(["previous_secret".into(), "reset".into()]);
    tried.sort();
    let mut documented: Vec<_> = documented.keys().cloned().collect();
    documented.sort();
    assert_eq!(documented, tried);
}

#[tokio::test]
async fn each_can_be_changed_and_reset_by_itself() {
    let api = start().await;
    for (name, value) in changed().as_object().unwrap() {
        let mut expected = get(&api).await;
        let default = expected[name].clone();
        let after = put(&api, json!({ name: value })).await;
        assert!(after["modified"].as_f64() > expected["modified"].as_f64());
        expected[name] = value.clone();
        expected["modified"] = after["modified"].clone();
        assert_eq!(after, expected, "{name}");
        assert_eq!(get(&api).await, after, "{name}");
        if name != "name" {
            assert_eq!(
                put(&api, json!({ name: null })).await[name],
                *value,
                "{name}"
            );
            assert_eq!(
                put(&api, json!({ "reset": [name] })).await[name],
                default,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn all_at_once() {
    let api = start().await;
    let after = put(&api, changed()).await;
    for (name, value) in changed().as_object().unwrap() {
        assert_eq!(&after[name], value, "{name}");
    }
    assert_eq!(put(&api, json!({})).await["ident"], "shop");
}

#[tokio::test]
async fn null_changes_nothing_for_any_caller() {
    let api = start().await;
    let mut before = put(&api, changed()).await;
    put(&api, json!({"enabled": true})).await;
    before["enabled"] = true.into();
    let mut nulls = changed();
    for value in nulls.as_object_mut().unwrap().values_mut() {
        *value = Value::Null;
    }
    nulls["previous_secret"] = Value::Null;
    nulls["reset"] = Value::Null;
    for request in [
        api.admin(Method::PUT, "/apps/shop"),
        api.session(Method::PUT, "/apps/shop"),
    ] {
        let mut after = request.json(&nulls).send().await.json();
        after["modified"] = before["modified"].clone();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn several_are_reset_at_once_and_others_stay_or_are_set() {
    let api = start().await;
    let fresh = get(&api).await;
    put(&api, changed()).await;
    let body = json!({"reset": ["max_members", "webhooks", "description", "webhooks"], "replay": {"a": 1}, "max_data_bytes": null});
    let after = put(&api, body).await;
    for name in ["max_members", "webhooks", "description"] {
        assert_eq!(after[name], fresh[name], "{name}");
    }
    assert_eq!(after["replay"], json!({"a": 1}));
    for name in ["max_data_bytes", "over_capacity", "name"] {
        assert_eq!(after[name], changed()[name], "{name}");
    }
    assert_eq!(
        put(&api, json!({"reset": []})).await["replay"],
        json!({"a": 1})
    );
}

#[tokio::test]
async fn a_reset_that_cannot_be_is_refused_and_nothing_changes() {
    let api = start().await;
    let before = put(&api, changed()).await;
    for (reset, named) in [
        (
            json!(["nonsense", "max_members", "other"]),
            "nonsense, other",
        ),
        (json!(["ident"]), "ident"),
        (json!(["reset"]), "reset"),
        (json!(["name"]), "(name)"),
        (
            json!(["replay", "client_events", "max_members"]),
            "client_events, max_members",
        ),
        (json!("max_members"), "list"),
        (json!([7]), "list"),
        (json!([null]), "list"),
        (json!({"max_members": true}), "list"),
        (json!(vec!["replay"; 101]), "100"),
    ] {
        let body = json!({"description": "half done", "client_events": false, "max_members": 3, "reset": reset});
        let message = api
            .admin(Method::PUT, "/apps/shop")
            .json(&body)
            .send()
            .await
            .problem(400);
        assert!(
            message.starts_with("reset") && message.contains(named),
            "{body}: {message}"
        );
        assert_eq!(get(&api).await, before);
    }
}

#[tokio::test]
async fn some_are_the_administrators() {
    let api = start().await;
    let before = get(&api).await;
    for (name, value) in changed().as_object().unwrap() {
        let administrators = name == "enabled" || name.starts_with("max_");
        let reply = api
            .session(Method::PUT, "/apps/shop")
            .json(&json!({ name: value }))
            .send()
            .await;
        if administrators {
            assert!(reply.problem(403).contains(name.as_str()));
            let reset = api
                .session(Method::PUT, "/apps/shop")
                .json(&json!({"description": "half done", "reset": [name]}))
                .send()
                .await;
            assert!(reset.problem(403).contains(name.as_str()));
            assert_ne!(get(&api).await["description"], "half done");
        } else {
            assert_eq!(reply.status, 200, "{name}");
        }
        let mixed = json!({"name": "half done", name: value});
        if administrators {
            api.session(Method::PUT, "/apps/shop")
                .json(&mixed)
                .send()
                .await
                .problem(403);
            assert_ne!(get(&api).await["name"], "half done");
        }
    }
    assert_eq!(get(&api).await["max_members"], before["max_members"]);
}

#[tokio::test]
async fn an_unknown_or_fixed_member_is_refused_and_nothing_changes() {
    let api = start().await;
    let before = get(&api).await;
    for name in [
        "nonsense",
        "max_nonsense",
        "id",
        "ident",
        "key",
        "secret",
        "instance",
        "created",
        "modified",
        "",
    ] {
        let message = api
            .admin(Method::PUT, "/apps/shop")
            .json(&json!({"name": "half done", name: "x"}))
            .send()
            .await
            .problem(400);
        assert!(message.contains(name), "{name}: {message}");
        assert_eq!(get(&api).await, before);
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_by_name() {
    let api = start().await;
    let before = get(&api).await;
    for (name, value, accepts) in [
        ("client_publish", json!("yes"), "true or false"),
        ("enabled", json!(1), "true or false"),
        ("apn_key", json!(7), "string"),
        ("apn_key", json!("a\u{0}"), "NUL"),
        ("apn_key", json!("key"), "PEM"),
        ("apn_key", json!(OTHER_CURVE), "P-256"),
        ("apn_cer", json!(KEY), "certificate"),
        ("apn_key_id", json!("a b"), "letters and digits"),
        ("apn_team_id", json!("a\n"), "letters and digits"),
        ("apn_topic", json!("com/example"), "letters, digits"),
        ("vapid_key", json!(OTHER_CURVE), "P-256"),
        ("vapid_key", json!("vapid"), "P-256"),
        ("vapid_email", json!("ann"), "e-mail address"),
        ("smtp_url", json!("http://mail.example"), "smtp://"),
        ("smtp_url", json!("smtp://"), "host"),
        ("smtp_url", json!("smtp://ann@mail.example"), "password"),
        (
            "smtp_url",
            json!("smtp://mail.example?sender=ann"),
            "sender",
        ),
        ("description", json!("x".repeat(20_001)), "20000"),
        ("signin_timeout", json!(-1), "seconds"),
        ("signin_timeout", json!(0), "seconds"),
        ("signin_timeout", json!(86_401), "seconds"),
        ("signin_timeout", json!("30"), "seconds"),
        ("allowed_origins", json!("https://a.example"), "list"),
        (
            "allowed_origins",
            json!(["https://a.example/path"]),
            "origins",
        ),
        ("allowed_origins", json!([7]), "origins"),
        ("allowed_origins", json!(vec!["*"; 101]), "100"),
        ("over_capacity", json!(4005), "4004 or 4100"),
        ("over_capacity", json!("4004"), "4004 or 4100"),
        ("replay", json!({"chat-": 0}), "from 1"),
        ("replay", json!({"chat-": -1}), "from 1"),
        ("replay", json!({"chat-": 4_294_967_296_u64}), "from 1"),
        ("replay", json!([]), "object"),
        ("webhooks", json!({}), "list"),
        ("webhooks", json!([7]), "webhooks[0] must be an object"),
        (
            "webhooks",
            json!([{"events": ["channel_occupied"]}]),
            "webhooks[0].url",
        ),
        (
            "webhooks",
            json!([{"url": "http://a"}, {"url": "ftp://a"}]),
            "webhooks[1].url",
        ),
        (
            "webhooks",
            json!([{"url": "https://a", "events": ["nonsense"]}]),
            "webhooks[0].events",
        ),
        (
            "webhooks",
            json!([{"url": "https://a", "events": []}]),
            "webhooks[0].events",
        ),
        (
            "webhooks",
            json!([{"url": "https://a", "channel_prefix": "a\n"}]),
            "webhooks[0].channel_prefix",
        ),
        (
            "webhooks",
            json!([{"url": "https://a", "nonsense": 1}]),
            "webhooks[0].nonsense",
        ),
        ("max_connections", json!(-1), "an integer"),
        ("max_connections", json!(1.5), "an integer"),
        ("max_connections", json!(5.0), "an integer"),
        ("max_connections", json!("many"), "an integer"),
        (
            "max_connections",
            json!(9_223_372_036_854_775_808_u64),
            "an integer",
        ),
        ("name", json!(""), "1 to 200"),
        ("previous_secret", json!(true), "reset"),
    ] {
        let message = api
            .admin(Method::PUT, "/apps/shop")
            .json(&json!({"description": "half done", name: value}))
            .send()
            .await
            .problem(400);
        assert!(
            message.starts_with(name) && message.contains(accepts),
            "{name}: {value}: {message}"
        );
        assert_eq!(get(&api).await, before);
    }
}

#[tokio::test]
async fn what_is_kept_is_tidy() {
    let api = start().await;
    let kept = put(
        &api,
        json!({
            "allowed_origins": ["HTTPS://Shop.Example:443", "https://shop.example", "*"],
            "apn_key": "", "signin_timeout": 1.5, "replay": {"ok-": 1, "no\n": 2},
            "webhooks": [{"url": "http://a", "events": null, "channel_prefix": ""}],
        }),
    )
    .await;
    assert_eq!(
        kept["allowed_origins"],
        json!(["https://shop.example", "*"])
    );
    assert_eq!(kept["apn_key"], Value::Null);
    assert_eq!(kept["signin_timeout"], 1.5);
    assert_eq!(kept["replay"], json!({"ok-": 1}));
    assert_eq!(kept["webhooks"], json!([{"url": "http://a"}]));
}

#[tokio::test]
async fn changes_at_once_all_hold() {
    let api = start().await;
    let first = put(&api, json!({"description": "a"}));
    let second = put(&api, json!({"client_events": true}));
    let third = put(&api, json!({"max_members": 9}));
    tokio::join!(first, second, third);
    let app = get(&api).await;
    assert_eq!(
        (
            &app["description"],
            &app["client_events"],
            &app["max_members"]
        ),
        (&json!("a"), &json!(true), &json!(9))
    );
}
