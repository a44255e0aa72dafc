//! Three nodes, one Redis, one PostgreSQL.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::http;
use crate::node::Node;
use crate::postgres::Schema;
use crate::redis::Redis;

pub(crate) const APP: &str = "77";
pub(crate) const KEY: &str = "key-77";
pub(crate) const SECRET: &str = "secret-77";
pub(crate) const ADMIN: &str = "administrator";

/// The lease of the nodes.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// Three nodes, one Redis, one PostgreSQL; the nodes are dropped first.
pub(crate) struct Cluster {
    pub nodes: Vec<Node>,
    pub redis: Redis,
    schema: Schema,
    token: String,
}

impl Cluster {
    /// Starts three connected nodes; `None` where no PostgreSQL URL is set.
    pub(crate) async fn start() -> Option<Self> {
        let schema = Schema::create().await?;
        let redis = Redis::start().await;
        let mut cluster = Self {
            nodes: Vec::new(),
            redis,
            schema,
            token: String::new(),
        };
        cluster.nodes.push(cluster.node(cluster.redis.port));
        until_well(&cluster.nodes[0]).await;
        cluster.token = http::login(cluster.nodes[0].api).await;
        // A node that has read the app before would know the setting up to a second later.
        cluster.set_app(json!({"client_events": true})).await;
        for _ in 1..3 {
            cluster.nodes.push(cluster.node(cluster.redis.port));
        }
        for node in &cluster.nodes {
            until_well(node).await;
        }
        Some(cluster)
    }

    /// One more node, which reaches Redis at `port`.
    pub(crate) fn node(&self, port: u16) -> Node {
        start_node(self.schema.url(), format!("redis://127.0.0.1:{port}"))
    }

    /// Changes the app's settings.
    pub(crate) async fn set_app(&self, settings: serde_json::Value) {
        let header = format!("Authorization: Bearer {ADMIN}\r\n");
        let (status, answer) = http::request(
            self.nodes[0].api,
            "PUT",
            &format!("/apps/{APP}"),
            &header,
            &settings.to_string(),
        )
        .await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Publishes by REST on a node.
    pub(crate) async fn publish(&self, node: &Node, channel: &str, data: &str, persist: bool) {
        let body =
            json!({"channel": channel, "event": "message", "data": data, "persist": persist})
                .to_string();
        let (status, answer) = http::request(
            node.api,
            "POST",
            &format!("/events?sid={}", self.token),
            "",
            &body,
        )
        .await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Waits until every answer of a webhook or a target is recorded and no claim is held: if a node dies before that, its events are sent
    /// again, after its claim has expired.
    pub(crate) async fn until_told(&self) {
        let begun = Instant::now();
        while self
            .schema
            .count(
                "SELECT (SELECT count(*) FROM outbox_notices) + (SELECT count(*) FROM outbox_queues WHERE holder <> '')",
            )
            .await
            > 0
        {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the outbox is not emptied"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The address of the database.
    pub(crate) fn database_url(&self) -> String {
        self.schema.url()
    }

    /// The session token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

/// Waits until a node's detailed health is so.
pub(crate) async fn until_health(node: &Node, status: &str) {
    let begun = Instant::now();
    loop {
        let (code, answer) = http::get(node.api, "/health/detailed").await;
        if code == 200 && answer["status"] == status {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{answer}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a node is connected to the others.
pub(crate) async fn until_well(node: &Node) {
    until_health(node, "ok").await;
}

/// A node that meets others at `bus`.
pub(crate) fn start_node(database: String, bus: String) -> Node {
    Node::start(&[
        ("DATABASE_URL", database),
        ("BUS_URL", bus),
        ("PUSHI_NODE_LEASE", LEASE.as_secs().to_string()),
        ("PUSHI_APP_ID", APP.into()),
        ("PUSHI_APP_KEY", KEY.into()),
        ("PUSHI_APP_SECRET", SECRET.into()),
        ("PUSHI_ADMIN_TOKEN", ADMIN.into()),
        ("PUSHI_STORE_POOL", "4".into()),
        ("PUSHI_TRUSTED_PROXIES", "127.0.0.1".into()),
        ("PUSHI_WEBHOOK_ALLOW_PRIVATE", "true".into()),
        ("PUSHI_NOTIFY_TIMEOUT", "2".into()),
    ])
}
