//! GET /sockets and GET /sockets/<socket_id>.

use poem::http::Method;
use serde_json::json;

use crate::rest::connecting::connect;
use crate::rest::{create, start};

#[tokio::test]
async fn a_live_connection_and_its_channels() {
    let api = start().await;
    assert_eq!(
        api.session(Method::GET, "/sockets").send().await.json(),
        json!({"sockets": []})
    );
    let first = connect(&api, "shop-key", &["b", "a"]).await;
    let second = connect(&api, "shop-key", &[]).await;
    let shown = json!({"socket_id": first.id().to_string(), "channels": ["a", "b"]});
    let other = json!({"socket_id": second.id().to_string(), "channels": []});
    let list = async |query: &str| {
        api.session(Method::GET, &format!("/sockets{query}"))
            .send()
            .await
            .json()["sockets"]
            .clone()
    };
    assert_eq!(list("").await, json!([shown, other]));
    assert_eq!(list("?count=1").await, json!([shown]));
    assert_eq!(
        list(&format!("?after={}", first.id())).await,
        json!([other])
    );
    assert_eq!(
        api.session(Method::GET, &format!("/sockets/{}", first.id()))
            .send()
            .await
            .json(),
        shown
    );
    let id = first.id();
    drop(first);
    api.session(Method::GET, &format!("/sockets/{id}"))
        .send()
        .await
        .problem(404);
}

#[tokio::test]
async fn unknown_sockets_and_those_of_other_apps() {
    let api = start().await;
    create(&api.service, "other").await;
    let stranger = connect(&api, "other-key", &["a"]).await;
    for id in [
        "1.1".into(),
        "nonsense".into(),
        "007.1".into(),
        stranger.id().to_string(),
    ] {
        api.session(Method::GET, &format!("/sockets/{id}"))
            .send()
            .await
            .problem(404);
    }
    assert_eq!(
        api.session(Method::GET, "/sockets").send().await.json(),
        json!({"sockets": []})
    );
    for query in ["after=nonsense", "count=-1"] {
        api.session(Method::GET, &format!("/sockets?{query}"))
            .send()
            .await
            .problem(400);
    }
}

/// A list of several pages.
#[tokio::test]
async fn a_long_list_is_whole() {
    let api = start().await;
    let mut connections = Vec::new();
    for _ in 0..520 {
        connections.push(connect(&api, "shop-key", &["a"]).await);
    }
    for (query, expected) in [("", 520), ("?count=300", 300), ("?count=250", 250)] {
        let reply = api
            .session(Method::GET, &format!("/sockets{query}"))
            .send()
            .await
            .json();
        let ids: Vec<_> = reply["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|socket| socket["socket_id"].as_str().unwrap().to_owned())
            .collect();
        let first = connections.iter().take(expected);
        assert!(first.map(|one| one.id().to_string()).eq(ids), "{query}");
    }
}
