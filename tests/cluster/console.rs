//! A console shows all nodes, from any of them.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE};
use crate::cluster::{ADMIN, APP, Cluster};
use crate::http;
use crate::node::Node;

/// A request of the app's session.
async fn ask(cluster: &Cluster, node: &Node, method: &str, path: &str) -> (u16, Value) {
    let header = format!("Authorization: Bearer {}\r\n", cluster.token());
    let path = format!("/apps/{APP}{path}");
    http::request(node.api, method, &path, &header, "").await
}

fn node_of(client: &Client) -> &str {
    client.id.split('.').next().unwrap()
}

/// The entries of a stream of events.
struct Tail(Lines<BufReader<TcpStream>>);

impl Tail {
    async fn open(cluster: &Cluster, node: &Node) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", node.api)).await.unwrap();
        let (token, path) = (
            cluster.token(),
            format!("/apps/{APP}/tail?channel_prefix=news"),
        );
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    /// The next entry: the other lines are those of HTTP.
    async fn next(&mut self) -> Value {
        let next = async {
            loop {
                let line = self.0.next_line().await.unwrap().expect("the stream ended");
                if line.starts_with('{') {
                    return serde_json::from_str(&line).unwrap();
                }
            }
        };
        timeout(PATIENCE, next).await.expect("no entry")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_shows_all_nodes() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let mut clients = Vec::new();
    for (node, user) in cluster.nodes.iter().zip(["ann", "bo", "cy"]) {
        let mut client = Client::pushi(node).await;
        client.join("presence-room", user).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    let near = &cluster.nodes[0];
    let (status, listed) = ask(&cluster, near, "GET", "/connections").await;
    assert_eq!(status, 200, "{listed}");
    let mut users: Vec<_> = listed["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["user_id"].as_str().unwrap())
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["ann", "bo", "cy"]);
    assert_eq!(listed["silent_nodes"], json!([]));
    let (_, found) = ask(&cluster, near, "GET", "/connections?user_id=cy").await;
    let found = &found["connections"][0];
    assert_eq!(
        (&found["socket_id"], &found["channels"]),
        (&json!(clients[2].id), &json!(["news", "presence-room"]))
    );

    let header = format!("Authorization: Bearer {ADMIN}\r\n");
    let (_, overview) = http::request(near.api, "GET", "/overview", &header, "").await;
    let connections: Vec<_> = overview["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["connections"].as_u64().unwrap())
        .collect();
    assert_eq!(connections, [1, 1, 1], "{overview}");
    assert_eq!(overview["total"]["connections"], 3);

    let mut tail = Tail::open(&cluster, near).await;
    let open = tail.next().await;
    assert_eq!(open["type"], "open");
    assert_eq!(open["nodes"].as_array().unwrap().len(), 3, "{open}");
    for (n, node) in cluster.nodes.iter().enumerate() {
        let data = format!("at {n}");
        cluster.publish(node, "news", &data, true).await;
        cluster.publish(node, "other", &data, true).await;
        let entry = tail.next().await;
        assert_eq!(
            (&entry["data"], &entry["recipients"], &entry["node"]),
            (&json!(data), &json!(3), &json!(node_of(&clients[n])))
        );
    }

    let far = &clients[1].id;
    let (status, answer) = ask(&cluster, near, "DELETE", &format!("/connections/{far}")).await;
    assert_eq!((status, answer), (200, json!({"result": "success"})));
    assert_eq!(clients[1].ended().await, 4009);
    let path = format!("/connections/{far}");
    let gone = async {
        while ask(&cluster, near, "GET", &path).await.0 != 404 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the connection stays");
    let (_, closed) = ask(&cluster, near, "GET", "/closed_connections?user_id=bo").await;
    let closed = &closed["connections"][0];
    assert_eq!(
        (&closed["socket_id"], &closed["code"], &closed["by"]),
        (&json!(far), &json!(4009), &json!("server"))
    );

    // A node that does not answer is named, and the others are shown.
    cluster.nodes[2].signal("STOP");
    let silent = json!([node_of(&clients[2])]);
    let (status, listed) = ask(&cluster, near, "GET", "/connections").await;
    cluster.nodes[2].signal("CONT");
    assert_eq!(
        (status, &listed["silent_nodes"]),
        (200, &silent),
        "{listed}"
    );
    assert_eq!(listed["connections"][0]["user_id"], "ann");
}
