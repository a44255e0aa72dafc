//! Live and closed connections of an app.

use poem::http::Method;
use pushi::core::hub::Connection;
use pushi::core::ports::{ClosedBy, DialectId};
use serde_json::{Value, json};

use super::{is_of_the_app_alone, read};
use crate::rest::connecting::connect_from;
use crate::rest::{Api, create, start};

const LIST: &str = "/apps/shop/connections";

async fn connect(api: &Api, key: &str, address: &str, channels: &[&str]) -> Connection {
    connect_from(api, key, Some(address), DialectId::Pusher, channels).await
}

fn ids(page: &Value) -> Vec<&str> {
    let connections = page["connections"].as_array().unwrap().iter();
    connections
        .map(|one| one["socket_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn live_connections_are_listed_filtered_and_paged() {
    let api = start().await;
    create(&api.service, "other").await;
    let _stranger = connect(&api, "other-key", "10.0.0.1", &["a"]).await;
    let one = connect(&api, "shop-key", "10.0.0.1", &["b", "a"]).await;
    let two = connect(&api, "shop-key", "2001:db8::7", &["b"]).await;
    let (first, second) = (one.id().to_string(), two.id().to_string());
    let page = read(&api, LIST).await;
    assert_eq!(ids(&page), [first.as_str(), second.as_str()]);
    assert_eq!(
        (&page["more"], &page["silent_nodes"]),
        (&json!(false), &json!([]))
    );
    let shown = &page["connections"][0];
    let expected = json!({
        "socket_id": first, "node": one.id().process.to_string(), "dialect": "pusher", "address": "10.0.0.1",
        "opened": 1_795_337_092.27, "last_seen": 1_795_337_092.27, "pending_bytes": 0, "channel_count": 2, "channels": ["a", "b"],
    });
    assert_eq!(*shown, expected);
    for (query, expected) in [
        ("?channel=a", vec![&first]),
        ("?channel=c", vec![]),
        ("?address=10.0.0.1", vec![&first]),
        ("?address=10.0.0.0/8", vec![&first]),
        ("?address=10.0.0.2", vec![]),
        ("?address=2001:db8::/32", vec![&second]),
        ("?address=0.0.0.0/0", vec![&first]),
        ("?user_id=ann", vec![]),
        ("?count=0", vec![]),
        ("?channel=&user_id=&address=", vec![&first, &second]),
    ] {
        assert_eq!(
            ids(&read(&api, &format!("{LIST}{query}")).await),
            expected,
            "{query}"
        );
    }
    let page = read(&api, &format!("{LIST}?count=1")).await;
    assert_eq!(
        (ids(&page), &page["more"]),
        (vec![first.as_str()], &json!(true))
    );
    let page = read(&api, &format!("{LIST}?count=1&after={first}")).await;
    assert_eq!(
        (ids(&page), &page["more"]),
        (vec![second.as_str()], &json!(false))
    );
    assert_eq!(read(&api, &format!("{LIST}/{first}")).await, expected);
    for query in ["?address=10.0.0.1/33", "?address=x", "?after=x"] {
        let ask = api.admin(Method::GET, &format!("{LIST}{query}"));
        ask.send().await.problem(400);
    }
}

#[tokio::test]
async fn a_list_shows_few_channels_and_one_connection_many() {
    let api = start().await;
    let names: Vec<String> = (0..1005).map(|n| format!("c{n:04}")).collect();
    let channels: Vec<&str> = names.iter().map(String::as_str).collect();
    let connection = connect(&api, "shop-key", "10.0.0.1", &channels).await;
    let listed = read(&api, LIST).await["connections"][0].clone();
    assert_eq!(listed["channel_count"], 1005);
    assert_eq!(listed["channels"], json!(names[..10]));
    let shown = read(&api, &format!("{LIST}/{}", connection.id())).await;
    assert_eq!(shown["channels"], json!(names[..1000]));
}

#[tokio::test]
async fn a_closed_connection_is_recorded_with_its_reason() {
    let api = start().await;
    create(&api.service, "other").await;
    let closed = "/apps/shop/closed_connections";
    let empty = json!({"connections": [], "silent_nodes": []});
    assert_eq!(read(&api, closed).await, empty);
    let stranger = connect(&api, "other-key", "10.0.0.1", &[]).await;
    api.service
        .record_close(&stranger, 1000, "", ClosedBy::Client);
    let one = connect(&api, "shop-key", "10.0.0.1", &[]).await;
    let two = connect(&api, "shop-key", "10.0.0.2", &[]).await;
    api.clock.advance(std::time::Duration::from_secs(90));
    api.service
        .record_close(&one, 4100, "<b>too slow</b>", ClosedBy::Server);
    api.service.record_close(&two, 1006, "gone", ClosedBy::Lost);
    let listed = read(&api, closed).await;
    let (first, second) = (one.id().to_string(), two.id().to_string());
    assert_eq!(ids(&listed), [second.as_str(), first.as_str()]);
    assert_eq!(
        listed["connections"][1],
        json!({
            "socket_id": first, "node": one.id().process.to_string(), "dialect": "pusher", "address": "10.0.0.1",
            "opened": 1_795_337_092.27, "closed": 1_795_337_182.27, "duration": 90.0, "code": 4100, "reason": "<b>too slow</b>",
            "by": "server",
        })
    );
    for (query, expected) in [
        ("?address=10.0.0.1", vec![first.as_str()]),
        ("?user_id=ann", vec![]),
        ("?count=1", vec![second.as_str()]),
    ] {
        let listed = read(&api, &format!("{closed}{query}")).await;
        assert_eq!(ids(&listed), expected, "{query}");
    }
}

#[tokio::test]
async fn connections_belong_to_their_app() {
    let api = start().await;
    is_of_the_app_alone(&api, Method::GET, "/connections").await;
    is_of_the_app_alone(&api, Method::GET, "/closed_connections").await;
    let other = create(&api.service, "another").await;
    let connection = connect(&api, "another-key", "10.0.0.1", &[]).await;
    for method in [Method::GET, Method::DELETE] {
        for path in [
            format!("{LIST}/{}", connection.id()),
            format!("/apps/{}/connections/{}", other.ident, connection.id()),
            format!("{LIST}/7.7"),
        ] {
            let ask = api.session(method.clone(), &path);
            ask.send().await.problem(404);
        }
    }
}
