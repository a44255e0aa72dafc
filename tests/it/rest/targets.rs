//! The routes of notification targets.

use poem::http::Method;
use pushi::core::auth::channel_auth;
use pushi::core::model::Secret;
use serde_json::{Value, json};

use crate::rest::{Api, Reply, Setup, start};

const HOOK: &str = "http://127.0.0.1:9/hook/a?x=1";
const ENCODED: &str = "http%3A%2F%2F127.0.0.1%3A9%2Fhook%2Fa%3Fx%3D1";

async fn create(api: &Api, query: &str, url: &str, event: &str) -> Reply {
    api.session(Method::POST, &format!("/webs{query}"))
        .json(&json!({"url": url, "event": event}))
        .send()
        .await
}

async fn created(api: &Api, url: &str, event: &str) -> Value {
    let reply = create(api, "", url, event).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

async fn delete(api: &Api, path: &str) -> Reply {
    api.session(Method::DELETE, path).send().await
}

async fn listed(api: &Api, query: &str) -> Vec<(String, String)> {
    let reply = api
        .session(Method::GET, &format!("/webs{query}"))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    records(&reply)
}

fn records(reply: &Reply) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let records = reply.json()["subscriptions"].as_array().unwrap().clone();
    records
        .iter()
        .map(|one| (text(&one["url"]), text(&one["event"])))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into()));
    owned.collect()
}

#[tokio::test]
async fn a_condition_is_checked_and_listed() {
    let api = start().await;
    let post = async |body: Value| {
        let post = api.session(Method::POST, "/webs").json(&body);
        post.send().await
    };
    let with = |members: Value| {
        let mut body = json!({"url": HOOK, "event": "news"});
        let further = members.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(further);
        body
    };
    for (members, problem) in [
        (json!({"when": "sometimes"}), "when"),
        (json!({"when": 1}), "when"),
        (json!({"when": "away"}), "user_id"),
        (json!({"when": "away", "user_id": ""}), "user_id"),
        (
            json!({"when": "away", "user_id": "a", "delay": "25h"}),
            "delay",
        ),
        (
            json!({"when": "away", "user_id": "a", "delay": "-1s"}),
            "delay",
        ),
        (
            json!({"when": "away", "user_id": "a", "delay": 30}),
            "delay",
        ),
        (json!({"delay": "30s"}), "delay"),
        (json!({"when": "always", "user_id": "a"}), "user_id"),
    ] {
        let reply = post(with(members.clone())).await;
        assert_eq!(reply.status, 400, "{members}: {}", reply.text);
        assert!(reply.text.contains(problem), "{members}: {}", reply.text);
    }
    assert!(listed(&api, "").await.is_empty());
    let away = json!({"when": "away", "delay": "90s", "user_id": "ann"});
    let reply = post(with(away)).await.json();
    let members = (&reply["when"], &reply["delay"], &reply["user_id"]);
    assert_eq!(members, (&json!("away"), &json!("90s"), &json!("ann")));
    let always = post(with(json!({"when": "always"}))).await.json();
    assert_eq!((&always["id"], always.get("when")), (&reply["id"], None));
}

#[tokio::test]
async fn a_web_hook_is_registered_once_and_listed() {
    let api = start().await;
    let first = created(&api, HOOK, "news").await;
    let expected = json!({
        "url": HOOK, "event": "news", "id": first["id"], "instance": "shop", "created": first["created"],
        "modified": first["created"], "enabled": true, "description": null, "meta": {}, "_id": first["_id"],
    });
    assert_eq!(first, expected);
    assert_eq!(created(&api, HOOK, "news").await, first);
    created(&api, HOOK, "sport").await;
    created(&api, "https://b.example/", "news").await;
    let all = [
        (HOOK, "news"),
        (HOOK, "sport"),
        ("https://b.example/", "news"),
    ];
    assert_eq!(listed(&api, "").await, pairs(&all));
    assert_eq!(
        listed(&api, "?event=news&url=").await,
        pairs(&[all[0], all[2]])
    );
    assert_eq!(
        listed(&api, &format!("?url={ENCODED}")).await,
        pairs(&all[..2])
    );
    let after = first["id"].as_u64().unwrap();
    assert_eq!(
        listed(&api, &format!("?count=1&after={after}")).await,
        pairs(&all[1..2])
    );
}

#[tokio::test]
async fn registering_with_unsubscribe_replaces_the_others() {
    let api = start().await;
    created(&api, HOOK, "a").await;
    created(&api, "https://b.example/", "a").await;
    // As Python clients send it.
    assert_eq!(
        create(&api, "?unsubscribe=True", HOOK, "b").await.status,
        200
    );
    assert_eq!(
        listed(&api, "").await,
        pairs(&[("https://b.example/", "a"), (HOOK, "b")])
    );
    // A form is accepted, too.
    let reply = api
        .session(Method::POST, "/webs?unsubscribe=0")
        .body(
            "application/x-www-form-urlencoded",
            format!("url={ENCODED}&event=c"),
        )
        .send()
        .await;
    assert_eq!(reply.json()["url"], HOOK);
}

#[tokio::test]
async fn a_closed_channel_requires_a_signature() {
    let api = start().await;
    for channel in ["private-a", "presence-a", "personal-ann", "peer-a:ann&bob"] {
        let missing = create(&api, "", HOOK, channel).await.problem(401);
        assert!(missing.contains("auth is missing"), "{missing}");
        let wrong = format!("?auth={}:00", api.app.key);
        let wrong = create(&api, &wrong, HOOK, channel).await.problem(401);
        assert!(wrong.contains("<target>:<channel>"), "{wrong}");
        let other = create(&api, "?auth=other:00", HOOK, channel).await;
        assert!(other.problem(401).contains("key of this app"));
        let auth = channel_auth(&api.app.key, &api.app.secret, HOOK, channel, None);
        let auth = create(&api, &format!("?auth={auth}"), HOOK, channel).await;
        assert_eq!(auth.json()["event"], channel, "{}", auth.text);
        // A signature for another address does not count.
        let secret: &Secret = &api.app.secret;
        let auth = channel_auth(&api.app.key, secret, "http://b/", channel, None);
        create(&api, &format!("?auth={auth}"), HOOK, channel)
            .await
            .problem(401);
    }
    create(&api, "", HOOK, "#server-to-user-ann")
        .await
        .problem(400);
}

#[tokio::test]
async fn registrations_end_by_path_and_by_query() {
    let api = start().await;
    for event in ["a", "b", "c", "d"] {
        created(&api, HOOK, event).await;
    }
    let one = delete(&api, &format!("/webs/{ENCODED}/a")).await;
    assert_eq!(
        (&one.json()["url"], &one.json()["event"]),
        (&json!(HOOK), &json!("a"))
    );
    let again = delete(&api, &format!("/webs/{ENCODED}/a")).await;
    assert_eq!(again.text, r#"{"result":"success"}"#);
    delete(&api, &format!("/webs/{ENCODED}/a?force=1"))
        .await
        .problem(404);
    let query = delete(&api, &format!("/webs?url={ENCODED}&event=b")).await;
    assert_eq!(query.json()["event"], "b");
    let all = delete(&api, &format!("/webs/{ENCODED}")).await;
    assert_eq!(records(&all), pairs(&[(HOOK, "c"), (HOOK, "d")]));
    let none = delete(&api, &format!("/webs?url={ENCODED}")).await;
    assert_eq!(none.text, r#"{"subscriptions":[]}"#);
    assert!(listed(&api, "").await.is_empty());
}

/// The original's client sends the address as it is.
#[tokio::test]
async fn an_address_in_a_path_need_not_be_encoded() {
    let api = start().await;
    let url = "http://127.0.0.1:9/hook/a";
    for event in ["news", "sport"] {
        created(&api, url, event).await;
    }
    let ended = delete(&api, &format!("/webs/{url}/news")).await;
    assert_eq!(ended.json()["event"], "news", "{}", ended.text);
    assert_eq!(listed(&api, "").await, pairs(&[(url, "sport")]));
}

#[tokio::test]
async fn bad_input_is_refused_and_stores_nothing() {
    let setup = Setup {
        is_public: Some(|address| !address.is_loopback()),
        ..Setup::default()
    };
    let api = setup.start().await;
    let bad = [
        "",
        "news",
        "ftp://a/",
        "http://",
        "http://u:p@a.example/",
        "http://a b/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f.1:80/x",
        "http://[::1]/",
    ];
    for url in bad {
        let reason = create(&api, "", url, "news").await.problem(400);
        assert!(reason.starts_with("url "), "{url}: {reason}");
    }
    for body in [
        json!({"url": "https://a/"}),
        json!({"event": "news"}),
        json!({"url": 1, "event": "a"}),
    ] {
        let reply = api.session(Method::POST, "/webs").json(&body).send().await;
        reply.problem(400);
    }
    create(&api, "", "https://a.example/", "")
        .await
        .problem(400);
    create(&api, "", "https://a.example/", "a\u{7f}")
        .await
        .problem(400);
    assert!(listed(&api, "").await.is_empty());
    api.ask(Method::GET, "/webs").send().await.problem(401);
    api.admin(Method::GET, "/webs").send().await.problem(403);
}
