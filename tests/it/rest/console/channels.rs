//! Channels, members, history and test events of an app.

use poem::http::Method;
use serde_json::{Value, json};

use super::{is_of_the_app_alone, read};
use crate::rest::connecting::connect;
use crate::rest::start;

#[tokio::test]
async fn occupied_channels_in_pages() {
    let api = start().await;
    let _connection = connect(&api, "shop-key", &["a", "b1", "b2", "private-c"]).await;
    let list = async |query: &str| {
        let page = read(&api, &format!("/apps/shop/occupied_channels{query}")).await;
        let names = page["channels"].as_array().unwrap().iter();
        let names: Vec<Value> = names.map(|one| one["channel"].clone()).collect();
        (json!(names), page["more"].clone())
    };
    let all = (json!(["a", "b1", "b2", "private-c"]), json!(false));
    assert_eq!(list("").await, all);
    assert_eq!(list("?count=4").await, all);
    assert_eq!(list("?count=2").await, (json!(["a", "b1"]), json!(true)));
    assert_eq!(list("?prefix=b").await, (json!(["b1", "b2"]), json!(false)));
    assert_eq!(
        list("?after=b1&count=1").await,
        (json!(["b2"]), json!(true))
    );
    let one = read(&api, "/apps/shop/occupied_channels?prefix=private").await;
    assert_eq!(
        one["channels"][0],
        json!({"channel": "private-c", "kind": "private", "subscriptions": 1, "users": 0})
    );
    let none = read(&api, "/apps/shop/members?channel=presence-x").await;
    assert_eq!(none, json!({"members": [], "more": false}));
}

#[tokio::test]
async fn history_in_pages_and_a_test_event() {
    let api = start().await;
    for (channel, data) in [("a", "1"), ("a", "2"), ("b", "3")] {
        let body = json!({"channel": channel, "event": "e", "data": data});
        let ask = api.admin(Method::POST, "/apps/shop/publish").json(&body);
        assert_eq!(ask.send().await.json(), json!({"result": "success"}));
    }
    let data = async |query: &str| {
        let page = read(&api, &format!("/apps/shop/history{query}")).await;
        let events = page["events"].as_array().unwrap().iter();
        let data: Vec<_> = events.map(|one| one["data"]["data"].clone()).collect();
        let last = page["events"].as_array().unwrap().last().cloned();
        (json!(data), last.unwrap_or_default())
    };
    let (all, last) = data("?count=2").await;
    assert_eq!(all, json!(["3", "2"]));
    assert_eq!(
        data(&format!("?before={}", last["id"])).await.0,
        json!(["1"])
    );
    let (newest, last) = data("?channel=a&count=1").await;
    assert_eq!(newest, json!(["2"]));
    assert_eq!(
        data(&format!("?channel=a&before={}", last["serial"]))
            .await
            .0,
        json!(["1"])
    );
    let refused = api.admin(Method::POST, "/apps/shop/publish");
    refused
        .json(&json!({"channel": "a"}))
        .send()
        .await
        .problem(400);
}

#[tokio::test]
async fn channels_belong_to_their_app() {
    let api = start().await;
    is_of_the_app_alone(&api, Method::GET, "/occupied_channels").await;
    is_of_the_app_alone(&api, Method::GET, "/members?channel=presence-a").await;
    is_of_the_app_alone(&api, Method::GET, "/history").await;
    let other = api.session(Method::POST, "/apps/nobody/publish");
    other.json(&json!({"data": "x"})).send().await.problem(404);
}
