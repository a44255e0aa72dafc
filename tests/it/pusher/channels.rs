//! GET /apps/<id>/channels and below, and POST /apps/<id>/users/<user_id>/terminate_connections.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poem::http::Method;
use pushi::core::auth::user_auth;
use pushi::core::hub::{CloseReason, SignedIn};
use pushi::core::model::{Secret, UserId};
use pushi::core::service::SignIn;
use serde_json::{Value, json};

use crate::pusher::{Listener, get, post, trigger};
use crate::rest::{Api, start};

const CHANNELS: &str = "/apps/shop/channels";

async fn shown(api: &Api, path: &str, query: &[(&str, &str)]) -> Value {
    let reply = get(api, path, query).await;
    assert_eq!(reply.status, 200, "{path} {query:?}: {}", reply.text);
    reply.json()
}

#[tokio::test]
async fn the_occupied_channels_by_prefix_and_with_counts() {
    let api = start().await;
    assert_eq!(shown(&api, CHANNELS, &[]).await, json!({"channels": {}}));
    let one = Listener::on(&api, "1", &["news", "presence-a", "presence-b"]).await;
    let _two = Listener::on(&api, "1", &["presence-a"]).await;
    assert_eq!(
        shown(&api, CHANNELS, &[]).await,
        json!({"channels": {"news": {}, "presence-a": {}, "presence-b": {}}})
    );
    let prefix = [("filter_by_prefix", "presence-a")];
    assert_eq!(
        shown(&api, CHANNELS, &prefix).await,
        json!({"channels": {"presence-a": {}}})
    );
    let presence = [
        ("filter_by_prefix", "presence-"),
        ("info", "user_count,subscription_count"),
    ];
    let counts = json!({"presence-a": {"user_count": 1, "subscription_count": 2}, "presence-b": {"user_count": 1, "subscription_count": 1}});
    assert_eq!(
        shown(&api, CHANNELS, &presence).await,
        json!({"channels": counts})
    );
    let news = [("filter_by_prefix", "n"), ("info", "subscription_count")];
    assert_eq!(
        shown(&api, CHANNELS, &news).await,
        json!({"channels": {"news": {"subscription_count": 1}}})
    );
    sign_in(&api, &one, "1").await;
    one.join(&api, "1", "#server-to-user-1").await;
    assert_eq!(
        shown(&api, CHANNELS, &[("filter_by_prefix", "#")]).await,
        json!({"channels": {}}),
        "a user's own is no channel to others"
    );
    api.service.disconnect(&one.0).await;
    assert_eq!(
        shown(&api, CHANNELS, &[]).await,
        json!({"channels": {"presence-a": {}}})
    );
}

#[tokio::test]
async fn more_channels_than_one_page() {
    let api = start().await;
    let names: Vec<String> = (0..999).map(|number| format!("c{number:04}")).collect();
    let _first = Listener::on(
        &api,
        "1",
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let _second = Listener::on(&api, "2", &["c2000", "c2001"]).await;
    assert_eq!(
        shown(&api, CHANNELS, &[]).await["channels"]
            .as_object()
            .unwrap()
            .len(),
        1001
    );
}

#[tokio::test]
async fn counts_of_users_are_for_presence_channels() {
    let api = start().await;
    for query in [
        &[("info", "user_count")][..],
        &[("info", "user_count"), ("filter_by_prefix", "presence")],
    ] {
        assert!(
            get(&api, CHANNELS, query)
                .await
                .problem(400)
                .contains("presence-")
        );
    }
    assert!(
        get(&api, "/apps/shop/channels/news", &[("info", "user_count")])
            .await
            .problem(400)
            .contains("presence-")
    );
    assert!(
        get(&api, "/apps/shop/channels/news/users", &[])
            .await
            .problem(400)
            .contains("presence-")
    );
    for (path, info) in [
        (CHANNELS, "cache"),
        (CHANNELS, "x"),
        ("/apps/shop/channels/news", "users"),
    ] {
        assert!(
            get(&api, path, &[("info", info)])
                .await
                .problem(400)
                .contains("info must be")
        );
    }
    get(&api, "/apps/shop/channels/a%20b", &[])
        .await
        .problem(400);
}

#[tokio::test]
async fn one_channel_and_what_is_asked_of_it() {
    let api = start().await;
    let room = "/apps/shop/channels/presence-a";
    assert_eq!(shown(&api, room, &[]).await, json!({"occupied": false}));
    let counts = [("info", "user_count,subscription_count")];
    assert_eq!(
        shown(&api, room, &counts).await,
        json!({"occupied": false, "user_count": 0, "subscription_count": 0})
    );
    let _all = [
        Listener::on(&api, "1", &["presence-a"]).await,
        Listener::on(&api, "2", &["presence-a"]).await,
    ];
    assert_eq!(shown(&api, room, &[]).await, json!({"occupied": true}));
    assert_eq!(
        shown(&api, room, &counts).await,
        json!({"occupied": true, "user_count": 2, "subscription_count": 2})
    );
    assert_eq!(
        shown(&api, &format!("{room}/users"), &[]).await,
        json!({"users": [{"id": "1"}, {"id": "2"}]})
    );
    assert_eq!(
        shown(&api, "/apps/shop/channels/presence-none/users", &[]).await,
        json!({"users": []})
    );
}

#[tokio::test]
async fn what_a_cache_channel_keeps() {
    let api = start().await;
    let (path, cache) = ("/apps/shop/channels/private-cache-x", [("info", "cache")]);
    assert_eq!(shown(&api, path, &cache).await, json!({"occupied": false}));
    trigger(
        &api,
        json!({"name": "e", "channel": "private-cache-x", "data": "{\"a\":1}"}),
    )
    .await;
    assert_eq!(
        shown(&api, path, &cache).await["cache"],
        json!({"data": "{\"a\":1}", "ttl": 1800})
    );
    api.clock.advance(Duration::from_millis(1500));
    assert_eq!(shown(&api, path, &cache).await["cache"]["ttl"], 1799);
    assert_eq!(shown(&api, path, &[]).await, json!({"occupied": false}));
    assert_eq!(
        shown(&api, "/apps/shop/channels/x", &cache).await,
        json!({"occupied": false})
    );
}

async fn sign_in(api: &Api, listener: &Listener, user: &str) {
    let user_data = json!({"id": user}).to_string();
    let auth = user_auth(
        "shop-key",
        &Secret::new("shop-secret"),
        &listener.0.id().to_string(),
        &user_data,
    );
    let signed = SignedIn {
        user: UserId::parse(user).unwrap(),
        data: "{}".into(),
        watchlist: Vec::new(),
    };
    api.service
        .sign_in(
            &listener.0,
            SignIn {
                auth: Some(auth),
                user_data,
                signed,
            },
        )
        .await
        .unwrap();
}

fn closed(listener: &Listener) -> Option<CloseReason> {
    match listener
        .0
        .mailbox()
        .poll_closed(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_users_connections_are_ended() {
    let api = start().await;
    let (ann, bo) = (
        Listener::on(&api, "ann", &[]).await,
        Listener::on(&api, "bo", &["presence-a"]).await,
    );
    sign_in(&api, &ann, "ann b").await;
    let reply = post(
        &api,
        "/apps/shop/users/ann%20b/terminate_connections",
        &json!({}),
    )
    .await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "{}"));
    assert_eq!(
        (closed(&ann), closed(&bo)),
        (Some(CloseReason::Terminated), None)
    );
    assert_eq!(
        post(
            &api,
            "/apps/shop/users/nobody/terminate_connections",
            &json!({})
        )
        .await
        .text,
        "{}"
    );
    let long = format!("/apps/shop/users/{}/terminate_connections", "u".repeat(129));
    post(&api, &long, &json!({})).await.problem(400);
    assert_eq!(
        api.ask(Method::GET, "/apps/shop/users/u/terminate_connections")
            .send()
            .await
            .status,
        405
    );
}

/// Lists of several pages.
#[tokio::test]
async fn long_lists_are_whole() {
    let api = start().await;
    let names: Vec<_> = (0..1100).map(|n| format!("room-{n:04}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let _first = Listener::on(&api, "1", &names[..600]).await;
    let _second = Listener::on(&api, "2", &names[500..]).await;
    let shown = shown(&api, CHANNELS, &[("info", "subscription_count")]).await;
    let channels = shown["channels"].as_object().unwrap();
    assert!(channels.keys().eq(names.iter()));
    assert_eq!(channels["room-0550"]["subscription_count"], 2);
}
