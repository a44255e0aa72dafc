//! Questions about who is connected are answered for all nodes.

use serde_json::json;

use crate::client::{Client, inner};
use crate::http;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_users_and_sockets_are_those_of_all_nodes() {
    let Some(stage) = Stage::set().await else { return };
    let mut clients = Vec::new();
    for (node, user) in stage.nodes.iter().zip(["ann", "bo", "ann"]) {
        let mut client = Client::pusher(node).await;
        client.join("presence-r", user).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    clients[1].subscribe("other", json!({})).await;
    for node in &stage.nodes {
        let (status, answer) =
            http::pusher(node.api, "GET", "/channels", &[("filter_by_prefix", "presence-"), ("info", "user_count")], "").await;
        assert_eq!((status, answer), (200, json!({"channels": {"presence-r": {"user_count": 2}}})));
        let (_, answer) = http::pusher(node.api, "GET", "/channels", &[], "").await;
        assert_eq!(answer, json!({"channels": {"news": {}, "other": {}, "presence-r": {}}}));
        let (_, answer) = http::pusher(node.api, "GET", "/channels/news", &[("info", "subscription_count")], "").await;
        assert_eq!(answer, json!({"occupied": true, "subscription_count": 3}));
        let (_, answer) = http::pusher(node.api, "GET", "/channels/nobody", &[], "").await;
        assert_eq!(answer, json!({"occupied": false}));
        let (_, answer) = http::pusher(node.api, "GET", "/channels/presence-r/users", &[], "").await;
        assert_eq!(answer, json!({"users": [{"id": "ann"}, {"id": "bo"}]}));
        let (_, answer) = http::get(node.api, &format!("/sockets?sid={}", stage.token())).await;
        let mut listed: Vec<_> = answer["sockets"].as_array().unwrap().iter().map(|socket| socket["socket_id"].as_str().unwrap()).collect();
        let mut ids: Vec<_> = clients.iter().map(|client| client.id.as_str()).collect();
        listed.sort_unstable();
        ids.sort_unstable();
        assert_eq!(listed, ids);
        let (_, answer) = http::get(node.api, &format!("/sockets/{}?sid={}", clients[1].id, stage.token())).await;
        assert_eq!(answer["channels"], json!(["news", "other", "presence-r"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_are_told_how_many_they_are_over_all_nodes() {
    let Some(stage) = Stage::set().await else { return };
    stage.set_app(json!({"subscription_count": true})).await;
    let mut clients = Vec::new();
    for (n, node) in stage.nodes.iter().enumerate() {
        // A setting holds everywhere within a second; a channel of its own shows that it does.
        loop {
            let mut probe = Client::pusher(node).await;
            probe.subscribe(&format!("probe-{n}"), json!({})).await;
            probe.send(json!({"event": "pusher:ping", "data": {}})).await;
            probe.until(|frames| crate::client::find(frames, "pusher:pong", None)).await;
            if !probe.events(&format!("probe-{n}"), "pusher_internal:subscription_count").is_empty() {
                break;
            }
        }
        let mut client = Client::pusher(node).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
        for client in &clients {
            client
                .until(|frames| {
                    let told =
                        |frame: &&serde_json::Value| frame["event"] == "pusher_internal:subscription_count" && frame["channel"] == "news";
                    let last = frames.iter().rfind(told)?;
                    (inner(last)["subscription_count"] == n + 1).then_some(())
                })
                .await;
        }
    }
    clients.pop();
    clients[0]
        .until(|frames| {
            let last = frames.iter().rfind(|frame| frame["event"] == "pusher_internal:subscription_count")?;
            (inner(last)["subscription_count"] == 2).then_some(())
        })
        .await;
}
