//! Tokens of users in place of signatures.

use pushi::core::model::App;
use pushi::core::service::AppError;
use pushi::inbound::websocket::UpgradeTarget;
use pushi_test_support::{Client, TestEnv, TestServer};
use serde_json::{Value, json};
use tokio::io::duplex;

use crate::user_token::{TokenClient, TokenServer, sign_token};

const SUBSCRIBED: &str = "pusher_internal:subscription_succeeded";

async fn subscribed(client: &mut Client, channel: &str) {
    let frame = client.subscribe_plain(channel).await;
    assert_eq!(frame.event(), SUBSCRIBED, "{frame:?}");
}

async fn refused(client: &mut Client, channel: &str) {
    client
        .send_subscribe_data(json!({"channel": channel}))
        .await;
    let frame = client.expect_error(4009).await;
    assert_eq!(frame.channel(), channel);
}

/// A client that presented a token with these claims.
async fn holder(server: &TestServer<'_>, claims: Value) -> Client {
    let mut client = server.client().await;
    client.present(&server.token(claims)).await;
    client
}

pub(crate) async fn a_covered_channel_needs_no_signature(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    refused(&mut client, "private-a").await;
    let token = server.token(json!({"channels": ["private-a", "private-room-*", "peer-r:a&b"]}));
    let accepted = client.present(&token).await;
    assert_eq!(accepted["user_id"], "ann");
    assert!(
        [3599, 3600]
            .map(Value::from)
            .contains(&accepted["expires_in"]),
        "{accepted}"
    );
    for channel in [
        "private-a",
        "private-room-",
        "private-room-1",
        "peer-r:a&b",
        "news",
    ] {
        subscribed(&mut client, channel).await;
    }
    for channel in [
        "private-ab",
        "private-b",
        "private-room",
        "presence-a",
        "presence-room-1",
        "peer-r:a&c",
    ] {
        refused(&mut client, channel).await;
    }
    server.publish_transient("private-room-1", "hello").await;
    assert_eq!(client.expect("call").await.data(), "hello");
    server.publish_transient("private-b", "hello").await;
    client.expect_nothing().await;
}

pub(crate) async fn what_a_token_lacks_is_named(env: &TestEnv) {
    let server = env.server().await;
    let mut client = holder(&server, json!({"channels": ["private-a"]})).await;
    client
        .send_subscribe_data(json!({"channel": "private-b"}))
        .await;
    let frame = client.expect_error(4009).await;
    assert!(frame.message().contains("claim channels"), "{frame:?}");
    let auth = client.auth("private-b");
    client
        .send_subscribe_data(json!({"channel": "private-b", "auth": auth}))
        .await;
    client.expect(SUBSCRIBED).await;
}

pub(crate) async fn a_token_signs_its_user_in(env: &TestEnv) {
    let server = env.server().await;
    let mut client = holder(&server, json!({"channels": ["*"]})).await;
    subscribed(&mut client, "personal-ann").await;
    for channel in ["personal-bob", "personal-anna", "personal-an"] {
        refused(&mut client, channel).await;
    }
    // Another user of the same connection is refused, and the first one keeps what it has.
    client
        .send_token(&server.token(json!({"sub": "bob"})))
        .await;
    client.expect_error(4009).await;
    let without: Value = json!({"sub": null});
    client.send_token(&server.token(without)).await;
    client.expect_error(4009).await;
    server.publish_transient("personal-ann", "hello").await;
    assert_eq!(client.expect("call").await.data(), "hello");
}

pub(crate) async fn a_member_is_the_tokens_user(env: &TestEnv) {
    let server = env.server().await;
    let claims = json!({"channels": ["presence-*"], "info": {"name": "Ann"}});
    let mut client = holder(&server, claims).await;
    let data = json!({"channel": "presence-a", "channel_data": {"user_id": "bob", "admin": true}});
    client.send_subscribe_data(data).await;
    let state = client.expect(SUBSCRIBED).await.inner();
    assert_eq!(
        state["members"],
        json!({"ann": {"user_id": "ann", "user_info": {"name": "Ann"}}})
    );
    subscribed(&mut client, "presence-b").await;
    let mut anybody = holder(&server, json!({"sub": null, "channels": ["presence-*"]})).await;
    anybody
        .send_subscribe_data(json!({"channel": "presence-a", "channel_data": {"user_id": "bob"}}))
        .await;
    let frame = anybody.expect_error(4316).await;
    assert!(frame.message().contains("claim sub"), "{frame:?}");
}

pub(crate) async fn two_members_by_tokens_are_peers(env: &TestEnv) {
    let server = env.server().await;
    let claims = |user: &str| json!({"sub": user, "channels": ["presence-*"]});
    let mut ann = holder(&server, claims("ann")).await;
    let mut bob = holder(&server, claims("bob")).await;
    for client in [&mut ann, &mut bob] {
        let data = json!({"channel": "presence-r", "channel_data": {"peer": true}});
        client.send_subscribe_data(data).await;
        client.expect(SUBSCRIBED).await;
    }
    ann.expect("pusher:member_added").await;
    subscribed(&mut ann, "peer-r:ann&bob").await;
}

pub(crate) async fn a_token_in_the_address_is_held_from_the_start(env: &TestEnv) {
    let server = env.server().await;
    let token = server.token(json!({"channels": ["private-a"]}));
    let path = format!("/{}", server.app.key);
    let target = |token: &str| UpgradeTarget::parse(&path, Some(&format!("a=b&token={token}")));
    assert!(!format!("{:?}", target(&token)).contains(&token));
    for (token, accepted) in [(token.as_str(), true), ("a.b.c", false)] {
        let (near, far) = duplex(64 * 1024);
        let ended = server.serve_at(target(token).unwrap(), None, false, far);
        let mut client = Client::over(near, &server.app, ended).await;
        client.read_greeting().await;
        if accepted {
            client.expect("pusher_internal:token_accepted").await;
            subscribed(&mut client, "private-a").await;
        } else {
            client.expect_error(4009).await;
            refused(&mut client, "private-a").await;
        }
    }
}

pub(crate) async fn a_token_that_is_not_valid_is_refused(env: &TestEnv) {
    let server = env.server().await;
    let mut client = holder(&server, json!({"channels": ["private-a"]})).await;
    subscribed(&mut client, "private-a").await;
    let secret = server.app.secret.expose();
    let hs256 = json!({"alg": "HS256"});
    let all = |further: Value| {
        let mut claims = server.claims(3600.0, json!({"channels": ["*"]}));
        for (name, value) in further.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let now = server.claims(0.0, json!({}))["exp"].as_f64().unwrap();
    let mut tokens = vec![
        (String::new(), "malformed"),
        ("x".repeat(9000), "8192 bytes"),
        (sign_token(&hs256, &all(json!({})), "another"), "signature"),
        (
            sign_token(&json!({"alg": "none"}), &all(json!({})), secret),
            "algorithm",
        ),
        (
            sign_token(&json!({"alg": "ES256"}), &all(json!({})), secret),
            "token_keys",
        ),
        (
            sign_token(
                &json!({"alg": "HS256", "crit": ["x"]}),
                &all(json!({})),
                secret,
            ),
            "crit",
        ),
    ];
    for (claims, reason) in [
        (json!({"exp": now - 31.0}), "expired"),
        (json!({"exp": now + 86_400.0 + 40.0}), "86400 s ahead"),
        (json!({"exp": (now + 60.0) * 1000.0}), "seconds since 1970"),
        (json!({"exp": null}), "exp is missing"),
        (json!({"exp": "soon"}), "claim exp must be a number"),
        (json!({"iat": now + 60.0}), "iat"),
        (json!({"nbf": now + 60.0}), "nbf"),
        (json!({"app": "other"}), "another app"),
        (json!({"aud": ["other"]}), "claim aud"),
        (json!({"sub": 7}), "claim sub"),
        (json!({"channels": "*"}), "claim channels must be a list"),
        (json!({"publish": [1]}), "claim publish must be a list"),
    ] {
        tokens.push((sign_token(&hs256, &all(claims), secret), reason));
    }
    for (token, reason) in tokens {
        client.send_token(&token).await;
        let frame = client.expect_error(4009).await;
        assert!(frame.message().contains(reason), "{reason}: {frame:?}");
        assert!(
            token.is_empty() || !frame.text.contains(&token),
            "{frame:?}"
        );
    }
    for data in [
        json!(null),
        json!({}),
        json!({"token": 7}),
        json!([]),
        json!(7),
    ] {
        client.next_is_invalid();
        client
            .send(json!({"event": "pusher:token", "data": data}))
            .await;
        client.expect_error(4314).await;
    }
    refused(&mut client, "private-b").await;
    server.publish_transient("private-a", "hello").await;
    assert_eq!(client.expect("call").await.data(), "hello");
}

pub(crate) async fn a_token_of_the_app_itself_is_accepted(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let (ident, key) = (server.app.ident.to_string(), server.app.key.clone());
    for claims in [
        json!({"app": ident}),
        json!({"app": key}),
        json!({"aud": key}),
        json!({"iat": server.claims(20.0, json!({}))["exp"]}),
    ] {
        client.present(&server.token(claims)).await;
    }
    client.present(&server.token_for(-20.0, json!({}))).await;
}

pub(crate) async fn both_secrets_of_a_rotation_sign_tokens(env: &TestEnv) {
    let server = env.server().await;
    let token = server.token(json!({}));
    let mut client = server.client().await;
    let ident = &server.app.ident;
    let rotated = server.service.rotate_secret(ident).await.unwrap();
    client.present(&token).await;
    let header = json!({"alg": "HS256"});
    let claims = server.claims(60.0, json!({}));
    let newer = sign_token(&header, &claims, rotated.secret.expose());
    client.present(&newer).await;
    let forget = |app: &mut App| {
        app.previous_secret = None;
        Ok::<(), AppError>(())
    };
    server.service.update_app(ident, &forget).await.unwrap();
    client.send_token(&token).await;
    client.expect_error(4009).await;
    client.present(&newer).await;
}

pub(crate) async fn a_token_that_covers_less_ends_channels(env: &TestEnv) {
    let server = env.server().await;
    let mut client = holder(&server, json!({"channels": ["private-*"]})).await;
    for channel in ["private-a", "private-b", "news"] {
        subscribed(&mut client, channel).await;
    }
    let signed = json!({"channel": "private-c", "auth": client.auth("private-c")});
    client.send_subscribe_data(signed).await;
    client.expect(SUBSCRIBED).await;
    client
        .present(&server.token(json!({"channels": ["private-a"]})))
        .await;
    let frame = client.expect_error(4009).await;
    assert_eq!(frame.channel(), "private-b");
    for channel in ["private-a", "private-b", "private-c", "news"] {
        server.publish_transient(channel, channel).await;
    }
    for channel in ["private-a", "private-c", "news"] {
        assert_eq!(client.expect("call").await.data(), channel);
    }
    client.expect_nothing().await;
}

fn publish(channel: &str) -> Value {
    json!({"event": "said", "channel": channel, "data": "hello", "persist": false, "echo": true})
}

pub(crate) async fn publish_is_a_claim_of_its_own(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.client_publish = false)
        .await;
    let claims = json!({"channels": ["private-*"], "publish": ["private-a", "private-out"]});
    let mut client = holder(&server, claims).await;
    let mut reader = server.subscribed("private-out").await;
    for channel in ["private-a", "private-b", "news"] {
        subscribed(&mut client, channel).await;
    }
    client.send(publish("private-a")).await;
    assert_eq!(client.expect("said").await.channel(), "private-a");
    // Without a subscription, too.
    client.send(publish("private-out")).await;
    assert_eq!(reader.expect("said").await.data(), "hello");
    client.send(publish("private-b")).await;
    let frame = client.expect_error(4009).await;
    assert!(frame.message().contains("claim publish"), "{frame:?}");
    client.send(publish("news")).await;
    client.expect_error(4009).await;
    // publish does not subscribe.
    let mut writer = holder(&server, json!({"publish": ["private-a"]})).await;
    refused(&mut writer, "private-a").await;
}

pub(crate) async fn without_the_claim_publish_the_apps_settings_decide(env: &TestEnv) {
    let server = env.server().await;
    let mut client = holder(&server, json!({"channels": ["private-*"]})).await;
    subscribed(&mut client, "private-a").await;
    client.send(publish("private-a")).await;
    client.expect("said").await;
    client.send(publish("private-b")).await;
    client.expect_error(4317).await;
    server.set(|settings| settings.client_publish = false).await;
    client.send(publish("private-a")).await;
    client.expect_error(4009).await;
}

pub(crate) async fn the_pusher_dialect_takes_tokens(env: &TestEnv) {
    let server = env.server().await;
    let claims = json!({"channels": ["private-*", "presence-*"], "publish": ["private-a"], "info": {"n": 1}});
    let token = server.token(claims);
    let mut client = server
        .pusher_connect(&format!("protocol=7&token={token}"), None, false)
        .await;
    client.read_greeting().await;
    client.expect("pusher_internal:token_accepted").await;
    let mut other = server.pusher().await;
    other.present(&token).await;
    for client in [&mut client, &mut other.0] {
        subscribed(client, "private-a").await;
    }
    let state = client.subscribe_plain("presence-a").await.inner();
    assert_eq!(state["presence"]["hash"], json!({"ann": {"n": 1}}));
    let event = json!({"event": "client-x", "channel": "private-a", "data": "hello"});
    client.send(event).await;
    assert_eq!(other.expect("client-x").await.data(), "hello");
    subscribed(&mut client, "private-b").await;
    client
        .send(json!({"event": "client-x", "channel": "private-b", "data": "hello"}))
        .await;
    client.expect_error(4009).await;
    let refused = other.subscribe_plain("personal-bob").await;
    assert_eq!(refused.event(), "pusher:subscription_error");
}
