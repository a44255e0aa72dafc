//! Persistent subscriptions, by their own routes and by the two seed routes.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::{Api, create, start};

async fn follow(api: &Api, user: &str, channel: &str) -> Value {
    let body = json!({"user_id": user, "event": channel});
    let reply = api
        .session(Method::POST, "/subscriptions")
        .json(&body)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

async fn listed(api: &Api, query: &str) -> Vec<(String, String)> {
    let reply = api
        .session(Method::GET, &format!("/subscriptions{query}"))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    reply.json()["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["user_id"]), text(&one["event"])))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(user, channel)| ((*user).into(), (*channel).into()))
        .collect()
}

#[tokio::test]
async fn subscribing_answers_the_subscription_and_the_same_again() {
    let api = start().await;
    let first = follow(&api, "u1", "news").await;
    let expected = json!({
        "id": first["id"], "user_id": "u1", "event": "news", "instance": "shop", "created": 1_795_337_092.27,
        "modified": 1_795_337_092.27,
    });
    assert_eq!(first, expected);
    assert_eq!(follow(&api, "u1", "news").await, first);
    assert_ne!(follow(&api, "u2", "news").await["id"], first["id"]);
    // A number stands for its decimal text.
    let reply = api
        .session(Method::POST, "/subscriptions")
        .json(&json!({"user_id": 42, "event": "news"}))
        .send()
        .await;
    assert_eq!(reply.json()["user_id"], "42");
}

#[tokio::test]
async fn listing_by_user_and_by_channel_and_in_pages() {
    let api = start().await;
    for (user, channel) in [("u1", "a"), ("u1", "b"), ("u2", "a")] {
        follow(&api, user, channel).await;
    }
    assert_eq!(
        listed(&api, "").await,
        pairs(&[("u1", "a"), ("u1", "b"), ("u2", "a")])
    );
    assert_eq!(
        listed(&api, "?user_id=u1").await,
        pairs(&[("u1", "a"), ("u1", "b")])
    );
    assert_eq!(
        listed(&api, "?event=a&user_id=").await,
        pairs(&[("u1", "a"), ("u2", "a")])
    );
    assert_eq!(
        listed(&api, "?user_id=u2&event=a").await,
        pairs(&[("u2", "a")])
    );
    assert_eq!(listed(&api, "?user_id=u3").await, pairs(&[]));
    assert_eq!(listed(&api, "?count=1").await, pairs(&[("u1", "a")]));
    assert_eq!(listed(&api, "?count=0").await, pairs(&[]));
    let first = follow(&api, "u1", "a").await["id"].as_u64().unwrap();
    assert_eq!(
        listed(&api, &format!("?after={first}")).await,
        pairs(&[("u1", "b"), ("u2", "a")])
    );
    let long = "u".repeat(129);
    for query in [
        format!("user_id={long}"),
        "event=a%0A".into(),
        "count=-1".into(),
        "after=x".into(),
    ] {
        api.session(Method::GET, &format!("/subscriptions?{query}"))
            .send()
            .await
            .problem(400);
    }
}

#[tokio::test]
async fn ending_one() {
    let api = start().await;
    let made = follow(&api, "u1", "news").await;
    let delete = |query: &str| {
        api.session(Method::DELETE, &format!("/subscriptions/u1/news{query}"))
            .send()
    };
    let ended = delete("").await;
    assert_eq!((ended.status, &ended.json()["id"]), (200, &made["id"]));
    assert!(listed(&api, "").await.is_empty());
    for query in ["", "?force=0", "?force=false"] {
        assert_eq!(delete(query).await.json(), json!({"result": "success"}));
    }
    for query in ["?force=1", "?force=true"] {
        delete(query).await.problem(404);
    }
    assert!(delete("?force=maybe").await.problem(400).contains("force"));
    assert_ne!(follow(&api, "u1", "news").await["id"], made["id"]);
    assert_eq!(delete("?force=1").await.status, 200);
}

#[tokio::test]
async fn names_with_special_characters_in_the_path() {
    let api = start().await;
    follow(&api, "user one", "a/b ☃").await;
    let reply = api
        .session(
            Method::DELETE,
            "/subscriptions/user%20one/a%2Fb%20%E2%98%83?force=1",
        )
        .send()
        .await;
    assert_eq!(
        (reply.status, &reply.json()["event"]),
        (200, &json!("a/b ☃"))
    );
}

#[tokio::test]
async fn one_that_cannot_be() {
    let api = start().await;
    for (body, named) in [
        (json!({}), "user_id"),
        (json!({"user_id": "u1"}), "event"),
        (json!({"event": "news"}), "user_id"),
        (json!({"user_id": "", "event": "news"}), "user_id"),
        (json!({"user_id": "u1", "event": ""}), "event"),
        (json!({"user_id": "u1", "event": "a\nb"}), "control"),
        (json!({"user_id": "u1", "event": "c".repeat(201)}), "200"),
        (
            json!({"user_id": "u".repeat(129), "event": "news"}),
            "user_id",
        ),
        (json!({"user_id": "a\u{0}", "event": "news"}), "user_id"),
        (json!({"user_id": 1.5, "event": "news"}), "user_id"),
        (json!({"user_id": {}, "event": "news"}), "user_id"),
        (json!({"user_id": "u1", "event": ["news"]}), "event"),
        (json!({"user_id": "u1", "event": 7}), "event"),
        (
            json!({"user_id": "u1", "event": "personal-u1"}),
            "personal-",
        ),
        (json!({"user_id": "u1", "event": "peer-r:a&b"}), "peer-"),
        (json!([]), "object"),
    ] {
        let message = api
            .session(Method::POST, "/subscriptions")
            .json(&body)
            .send()
            .await
            .problem(400);
        assert!(message.contains(named), "{body}: {message}");
        api.session(Method::POST, "/apps/shop/subscribe")
            .json(&body)
            .send()
            .await
            .problem(400);
    }
    assert!(listed(&api, "").await.is_empty());
}

#[tokio::test]
async fn the_seed_routes_do_the_same() {
    let api = start().await;
    let query = "?user_id=u1&event=news";
    let json_body = json!({"user_id": "u1", "event": "news"});
    for way in 0..4 {
        let ask = |route: &str| match way {
            0 => api.session(Method::GET, &format!("/apps/shop/{route}{query}")),
            1 => api.session(Method::POST, &format!("/apps/shop/{route}{query}")),
            2 => api
                .session(Method::POST, &format!("/apps/shop/{route}"))
                .json(&json_body),
            _ => api
                .session(Method::POST, &format!("/apps/shop/{route}"))
                .body("application/x-www-form-urlencoded", &query[1..]),
        };
        let made = ask("subscribe").send().await.json();
        assert_eq!(follow(&api, "u1", "news").await, made, "{way}");
        assert_eq!(
            ask("unsubscribe").send().await.json()["id"],
            made["id"],
            "{way}"
        );
        assert!(listed(&api, "").await.is_empty());
        assert_eq!(
            ask("unsubscribe").send().await.json(),
            json!({"result": "success"})
        );
    }
    api.session(
        Method::GET,
        &format!("/apps/shop/unsubscribe{query}&force=1"),
    )
    .send()
    .await
    .problem(404);
    api.session(
        Method::POST,
        &format!("/apps/shop/unsubscribe{query}&force=1"),
    )
    .send()
    .await
    .problem(404);
}

#[tokio::test]
async fn the_seed_routes_need_their_members_and_their_own_app() {
    let api = start().await;
    create(&api.service, "other").await;
    for route in ["subscribe", "unsubscribe"] {
        for method in [Method::GET, Method::POST] {
            for (query, missing) in [
                ("", "user_id"),
                ("?user_id=u1", "event"),
                ("?event=news", "user_id"),
                ("?user_id=&event=e", "user_id"),
            ] {
                let message = api
                    .session(method.clone(), &format!("/apps/shop/{route}{query}"))
                    .send()
                    .await
                    .problem(400);
                assert!(message.contains(missing), "{message}");
            }
            for app in ["other", "none", "ping"] {
                let path = format!("/apps/{app}/{route}?user_id=u1&event=news");
                api.session(method.clone(), &path).send().await.problem(404);
            }
        }
    }
    assert!(listed(&api, "").await.is_empty());
}
