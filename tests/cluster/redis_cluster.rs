//! Nodes on a Redis Cluster: each channel is published on the server of its slot.

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::cluster::{start_node, until_well};
use crate::http;
use crate::node::Node;
use crate::postgres::Schema;

const ROOM: &str = "presence-room";

/// Three servers with a third of the slots each.
struct Servers {
    ports: Vec<u16>,
    children: Vec<Child>,
    _folders: Vec<TempDir>,
}

/// A free port whose cluster bus port (10,000 above it) is free as well.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

fn cli(arguments: &[String]) -> Output {
    Command::new("redis-cli")
        .args(arguments)
        .output()
        .expect("there is no redis-cli: tests/run.sh installs it")
}

impl Servers {
    async fn start() -> Self {
        let mut servers = Self {
            ports: Vec::new(),
            children: Vec::new(),
            _folders: Vec::new(),
        };
        for _ in 0..3 {
            let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
            let mut command = Command::new("redis-server");
            command.args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--cluster-enabled",
                "yes",
            ]);
            command
                .arg("--dir")
                .arg(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            servers.children.push(
                command
                    .spawn()
                    .expect("there is no redis-server: tests/run.sh installs it"),
            );
            servers.ports.push(port);
            servers._folders.push(folder);
        }
        let addresses = servers.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let create: Vec<String> = ["--cluster".to_owned(), "create".to_owned()]
            .into_iter()
            .chain(addresses)
            .chain(["--cluster-yes".to_owned()])
            .collect();
        let begun = Instant::now();
        while !cli(&create).status.success() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the servers make no cluster"
            );
            sleep(Duration::from_millis(100)).await;
        }
        for port in &servers.ports {
            let ask = [
                "-p".to_owned(),
                port.to_string(),
                "CLUSTER".to_owned(),
                "INFO".to_owned(),
            ];
            while !String::from_utf8_lossy(&cli(&ask).stdout).contains("cluster_state:ok") {
                assert!(
                    begun.elapsed() < Duration::from_secs(30),
                    "the cluster is not well"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
        servers
    }

    fn url(&self) -> String {
        format!(
            "redis-cluster://127.0.0.1:{},127.0.0.1:{}",
            self.ports[0], self.ports[1]
        )
    }

    fn id(&self, server: usize) -> String {
        let ask = [
            "-p".to_owned(),
            self.ports[server].to_string(),
            "CLUSTER".to_owned(),
            "MYID".to_owned(),
        ];
        String::from_utf8_lossy(&cli(&ask).stdout).trim().to_owned()
    }

    /// Gives all slots of one server to another.
    async fn move_slots(&self, from: usize, to: usize) {
        let arguments = [
            "--cluster",
            "reshard",
            &format!("127.0.0.1:{}", self.ports[0]),
            "--cluster-from",
            &self.id(from),
        ]
        .into_iter()
        .chain([
            "--cluster-to",
            &self.id(to),
            "--cluster-slots",
            "6000",
            "--cluster-yes",
            "--cluster-pipeline",
            "100",
        ])
        .map(str::to_owned)
        .collect::<Vec<_>>();
        let moved = tokio::task::spawn_blocking(move || cli(&arguments))
            .await
            .unwrap();
        assert!(
            moved.status.success(),
            "{}",
            String::from_utf8_lossy(&moved.stdout)
        );
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn publish(node: &Node, token: &str, channel: &str, data: &str) {
    let body = json!({"channel": channel, "event": "message", "data": data}).to_string();
    let (status, answer) =
        http::request(node.api, "POST", &format!("/events?sid={token}"), "", &body).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_in_a_redis_cluster_whose_slots_move() {
    let Some(schema) = Schema::create().await else {
        return;
    };
    let servers = Servers::start().await;
    let nodes: Vec<Node> = (0..2)
        .map(|_| start_node(schema.url(), servers.url()))
        .collect();
    for node in &nodes {
        until_well(node).await;
    }
    let token = http::login(nodes[0].api).await;
    let mut clients = Vec::new();
    let channels: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
    for (node, user) in nodes.iter().zip(["ann", "bo"]) {
        let mut client = Client::pushi(node).await;
        client.join(ROOM, user).await;
        for channel in &channels {
            client.subscribe(channel, json!({})).await;
        }
        clients.push(client);
    }
    clients[0]
        .until_is(|client| client.changes(ROOM), vec!["+bo".to_owned()])
        .await;
    let mut serial = 0;
    for round in 0..3 {
        for channel in &channels {
            publish(&nodes[round % 2], &token, channel, "x").await;
        }
        serial += 1;
        for client in &clients {
            for channel in &channels {
                client
                    .until_is(|client| client.serials(channel), (1..=serial).collect())
                    .await;
            }
        }
        if round == 0 {
            servers.move_slots(1, 2).await;
        }
    }
    for node in &nodes {
        until_well(node).await;
    }
    let mut late = Client::pushi(&nodes[1]).await;
    assert_eq!(late.join(ROOM, "late").await, ["ann", "bo", "late"]);
    clients[0]
        .until_is(
            |client| client.changes(ROOM),
            vec!["+bo".to_owned(), "+late".to_owned()],
        )
        .await;
    let (_, answer) = http::get(nodes[0].api, &format!("/sockets?sid={token}")).await;
    assert_eq!(
        answer["sockets"].as_array().map(Vec::len),
        Some(3),
        "{answer}"
    );
}
