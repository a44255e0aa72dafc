//! Signatures of subscriptions.

use pushi::core::auth::channel_auth;
use pushi::core::model::{App, AppIdent, NewApp, Secret};
use pushi::core::service::AppError;
use pushi_test_support::{Client, Frame, TestEnv, users};
use serde_json::{Value, json};

/// The error for a wrong `auth`. It must not contain any part of the right one.
async fn refused(client: &mut Client, channel: &str, auth: Option<Value>) -> Frame {
    let mut data = json!({"channel": channel, "channel_data": {"user_id": "u1"}});
    if let Some(auth) = auth {
        data["auth"] = auth;
    }
    client.send_subscribe_data(data).await;
    let frame = client.expect_error(4009).await;
    assert_eq!(frame.channel(), channel);
    assert_eq!(frame.value["data"]["event"], "pusher:subscribe");
    for secret in client.app.secrets() {
        let good = channel_auth("", secret, &client.id, channel, None);
        let covering = channel_auth("", secret, &client.id, channel, Some(r#"{"user_id":"u1"}"#));
        for hidden in [secret.expose(), &good[1..], &covering[1..]] {
            assert!(
                !frame.text.contains(hidden),
                "shows what it must not: {frame:?}"
            );
        }
    }
    frame
}

const SIGNED: [&str; 4] = ["private-a", "presence-a", "personal-u1", "peer-a:u1&u2"];

pub(crate) async fn a_public_channel_needs_nothing(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.send_subscribe_data(json!({"channel": "news"})).await;
    let frame = client
        .expect("pusher_internal:subscription_succeeded")
        .await;
    let data = r#"{\"name\":\"news\",\"members\":{},\"alias\":[],\"events\":[]}"#;
    assert_eq!(
        frame.text,
        format!(
            r#"{{"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{data}"}}"#
        )
    );
    server.publish_transient("news", "hello").await;
    assert_eq!(client.expect("call").await.data(), "hello");
}

pub(crate) async fn a_public_channel_takes_any_auth(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for auth in [json!(""), json!("nonsense"), Value::Null] {
        client
            .send_subscribe_data(json!({"channel": "news", "auth": auth}))
            .await;
        client
            .expect_state("pusher_internal:subscription_succeeded", "news")
            .await;
    }
}

pub(crate) async fn a_good_signature_is_taken(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for channel in SIGNED {
        let auth = client.auth(channel);
        client
            .send_subscribe_data(
                json!({"channel": channel, "auth": auth, "channel_data": {"user_id": "u1"}}),
            )
            .await;
        client
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
        server.publish_transient(channel, "hello").await;
        assert_eq!(client.expect("call").await.channel(), channel);
    }
}

/// Keys and secrets of other servers.
pub(crate) async fn credentials_are_any_printable_characters(env: &TestEnv) {
    let server = env.server().await;
    let long = "~:".repeat(128);
    for (number, key) in ["a.b:c", ":", "Zm9v+/8==", "k%41/?&#", &long]
        .into_iter()
        .enumerate()
    {
        let new = NewApp {
            name: key.chars().take(5).collect(),
            ident: Some(AppIdent::parse(&format!("odd{number}")).unwrap()),
            key: Some(key.to_owned()),
            secret: Some(Secret::new(key)),
            ..NewApp::default()
        };
        let app = server.service.create_app(new).await.unwrap();
        let mut client = server.client_of(&app).await;
        let auth = client.auth("private-a");
        assert!(auth.starts_with(&format!("{key}:")));
        let subscribe = |auth: &str| json!({"channel": "private-a", "auth": auth});
        client.send_subscribe_data(subscribe(&auth)).await;
        client
            .expect_state("pusher_internal:subscription_succeeded", "private-a")
            .await;
        let other = client.auth("private-b");
        client.send_subscribe_data(subscribe(&other)).await;
        client.expect_error(4009).await;
    }
}

pub(crate) async fn a_missing_signature_is_refused(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for channel in SIGNED {
        for auth in [None, Some(Value::Null), Some(json!(""))] {
            refused(&mut client, channel, auth).await;
        }
    }
    client.expect_nothing().await;
}

pub(crate) async fn a_wrong_signature_is_refused(env: &TestEnv) {
    let server = env.server().await;
    let [mut client, other] = server.clients().await;
    for channel in SIGNED {
        let good = client.auth(channel);
        let (key, hex) = good.split_once(':').unwrap();
        let stranger = channel_auth(key, &Secret::new("another"), &client.id, channel, None);
        for auth in [
            json!(stranger),
            json!(other.auth(channel)),
            json!(client.auth("private-b")),
            json!(format!("another:{hex}")),
            json!(format!(":{hex}")),
            json!(hex),
            json!(format!("{key}:")),
            json!(format!("{key}:{}", &hex[1..])),
            json!(format!("{key}:{hex}0")),
            json!(format!("{key}:{}", hex.to_uppercase())),
            json!(format!(" {good}")),
            json!(7),
            json!([good]),
            json!({"auth": good}),
        ] {
            if !(auth.is_string() || auth.is_null()) {
                client.next_is_invalid();
            }
            refused(&mut client, channel, Some(auth)).await;
        }
    }
    client.expect_nothing().await;
}

pub(crate) async fn a_refused_client_is_not_subscribed(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    for channel in SIGNED {
        refused(&mut client, channel, None).await;
        server.publish_transient(channel, "hello").await;
        client
            .send(json!({"event": "pusher:latest", "data": {"channel": channel}}))
            .await;
        client.expect_error(4317).await;
        client
            .publish(channel, "message", json!("hello"), json!({}))
            .await;
        client.expect_error(4317).await;
    }
    client.expect_nothing().await;
}

pub(crate) async fn a_refusal_keeps_what_the_socket_had(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.subscribe("private-a").await;
    refused(&mut client, "private-a", Some(json!("nonsense"))).await;
    server.publish_transient("private-a", "hello").await;
    client.expect("call").await;
}

pub(crate) async fn the_secret_before_a_rotation_is_good_until_it_is_dropped(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let rotated = server
        .service
        .rotate_secret(&server.app.ident)
        .await
        .unwrap();
    assert!(!rotated.secret.matches(server.app.secret.expose()));
    let auth = |client: &Client, secret: &Secret, channel: &str| {
        json!(channel_auth(
            &server.app.key,
            secret,
            &client.id,
            channel,
            None
        ))
    };
    let (old, new) = (&server.app.secret, &rotated.secret);
    for (channel, secret) in [("private-a", old), ("private-b", new)] {
        client
            .send_subscribe_data(
                json!({"channel": channel, "auth": auth(&client, secret, channel)}),
            )
            .await;
        client
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
    }
    let drop_previous = |app: &mut App| {
        app.previous_secret = None;
        Ok::<(), AppError>(())
    };
    server
        .service
        .update_app(&server.app.ident, &drop_previous)
        .await
        .unwrap();
    client
        .send_subscribe_data(
            json!({"channel": "private-c", "auth": auth(&client, old, "private-c")}),
        )
        .await;
    client.expect_error(4009).await;
    client
        .send_subscribe_data(
            json!({"channel": "private-c", "auth": auth(&client, new, "private-c")}),
        )
        .await;
    client
        .expect_state("pusher_internal:subscription_succeeded", "private-c")
        .await;
    server.publish_transient("private-a", "hello").await;
    assert_eq!(
        client.expect("call").await.channel(),
        "private-a",
        "what was subscribed to stays"
    );
}

pub(crate) async fn channel_data_may_be_signed(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    let data = r#"{ "user_id": "u1",  "name":"Ann" }"#;
    for channel in ["presence-a", "private-a", "personal-u1"] {
        let auth = client.auth_over(channel, data);
        client
            .send_subscribe_data(json!({"channel": channel, "auth": auth, "channel_data": data}))
            .await;
        client
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
    }
    let auth = client.auth_over("presence-b", data);
    let other = r#"{ "user_id": "u2",  "name":"Ann" }"#;
    client
        .send_subscribe_data(json!({"channel": "presence-b", "auth": auth, "channel_data": other}))
        .await;
    client.expect_error(4009).await;
}

pub(crate) async fn an_app_can_require_that_channel_data_is_signed(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.signed_presence = true)
        .await;
    let mut client = server.client().await;
    let data = r#"{"user_id":"u1"}"#;
    for channel in ["presence-a", "personal-u1"] {
        let auth = json!(client.auth(channel));
        let frame = refused(&mut client, channel, Some(auth)).await;
        assert!(
            frame.message().contains("channel_data"),
            "says what is wanted: {frame:?}"
        );
        let auth = client.auth(channel);
        client
            .send_subscribe_data(json!({"channel": channel, "auth": auth, "channel_data": data}))
            .await;
        client.expect_error(4009).await;
        let auth = client.auth_over(channel, data);
        client
            .send_subscribe_data(json!({"channel": channel, "auth": auth, "channel_data": data}))
            .await;
        client
            .expect_state("pusher_internal:subscription_succeeded", channel)
            .await;
    }
    // Where there is no channel data there is nothing to cover.
    client.subscribe("private-a").await;
    client.subscribe("personal-u2").await;
}

pub(crate) async fn an_object_is_signed_as_it_stands_in_the_frame(env: &TestEnv) {
    let server = env
        .server_with(|setup| setup.settings.signed_presence = true)
        .await;
    let mut client = server.client().await;
    let data = r#"{"user_id": "u1", "n": 1.0}"#;
    let auth = client.auth_over("presence-a", data);
    let frame = format!(
        r#"{{"event":"pusher:subscribe","data":{{"channel":"presence-a","auth":"{auth}","channel_data":{data}}}}}"#
    );
    client.send_message(frame).await;
    let state = client
        .expect_state("pusher_internal:subscription_succeeded", "presence-a")
        .await;
    assert_eq!(users(&state), ["u1"]);
}

pub(crate) async fn the_setting_holds_at_once(env: &TestEnv) {
    let server = env.server().await;
    let mut client = server.client().await;
    client.join("presence-a", json!({"user_id": "u1"})).await;
    server.set(|settings| settings.signed_presence = true).await;
    let auth = json!(client.auth("presence-b"));
    refused(&mut client, "presence-b", Some(auth)).await;
    server
        .set(|settings| settings.signed_presence = false)
        .await;
    client.join("presence-b", json!({"user_id": "u1"})).await;
}
