//! The registry of nodes: leases, heartbeats, and the eviction of nodes whose lease has expired.

use redis::Value;

use super::RedisNode;
use super::incarnation::Incarnation;
use crate::core::ports::BusMessage;
use crate::outbound::redis::connection::{Connections, Disconnected, Script};

/// The reply to a heartbeat.
struct HeartbeatReply {
    /// Whether the lease was still valid; then it has been renewed.
    valid: bool,
    /// Milliseconds since leases were last renewed as a whole.
    stable_for: u128,
    /// Incarnations whose data must be removed.
    expired: Vec<String>,
}

impl RedisNode {
    fn registry_keys(&self) -> [String; 4] {
        ["nodes", "beat", "calm", "gone"].map(|name| self.names.registry_key(name))
    }

    fn lease_millis(&self) -> String {
        self.options.lease.as_millis().to_string()
    }

    /// Registers an incarnation.
    pub(super) async fn register(&self, connections: &Connections) -> Result<(), Disconnected> {
        connections
            .run_script(
                Script::Register,
                &self.registry_keys()[..3],
                &[&connections.id, &self.lease_millis()],
            )
            .await
            .map(|_| ())
    }

    /// Sends heartbeats until the connections are lost.
    pub(super) async fn send_heartbeats(
        &self,
        incarnation: &Incarnation,
    ) -> Result<(), Disconnected> {
        let connections = &incarnation.connections;
        loop {
            let reply = connections
                .run_script(
                    Script::Heartbeat,
                    &self.registry_keys(),
                    &[&connections.id, &self.lease_millis()],
                )
                .await?;
            let Some(reply) = HeartbeatReply::parse(&reply) else {
                return Err(connections.fail_with("malformed reply to a heartbeat"));
            };
            if !reply.valid {
                return Err(incarnation.fail_expired());
            }
            incarnation.set_stable(reply.stable_for >= self.options.lease.as_millis());
            incarnation.set_expired(reply.expired);
            tokio::time::sleep(self.heartbeat_interval()).await;
        }
    }

    /// Evicts expired incarnations until the connections are lost. A task of its own: it can take
    /// longer than a lease, while heartbeats must continue.
    pub(super) async fn evict_expired(
        &self,
        incarnation: &Incarnation,
    ) -> Result<(), Disconnected> {
        loop {
            for expired in incarnation.next_expired().await {
                self.evict(incarnation, &expired).await?;
            }
        }
    }

    /// Ends incarnations of this process at once, without waiting for their leases.
    pub(super) async fn unregister(
        &self,
        connections: &Connections,
        incarnations: &[String],
    ) -> Result<(), Disconnected> {
        if incarnations.is_empty() {
            return Ok(());
        }
        let [nodes, _, _, gone] = self.registry_keys();
        let mut pipeline = redis::pipe();
        for incarnation in incarnations {
            pipeline.cmd("ZREM").arg(&nodes).arg(incarnation);
            pipeline.cmd("ZADD").arg(&gone).arg(0).arg(incarnation);
        }
        connections
            .send(connections.server_of(&nodes), &pipeline)
            .await
            .map(|_| ())
    }

    /// Removes all data of an expired incarnation, unless another node holds the claim to do so.
    async fn evict(&self, incarnation: &Incarnation, expired: &str) -> Result<(), Disconnected> {
        let connections = &incarnation.connections;
        let claim = self.names.registry_key(&format!("claim:{expired}"));
        let server = connections.server_of(&claim);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("SET")
            .arg(&claim)
            .arg(&connections.id)
            .arg("NX")
            .arg("PX")
            .arg(self.lease_millis());
        let replies = connections.send(server, &pipeline).await?;
        if !matches!(replies.first(), Some(Value::Okay)) {
            return Ok(());
        }
        incarnation.evict_everywhere(&self.names, expired).await?;
        self.publish(BusMessage::NodeGone);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("DEL")
            .arg(self.names.registry_key(&format!("on:{expired}")))
            .arg(&claim);
        pipeline
            .cmd("ZREM")
            .arg(self.names.registry_key("gone"))
            .arg(expired);
        connections.send(server, &pipeline).await?;
        Ok(())
    }
}

impl HeartbeatReply {
    fn parse(reply: &Value) -> Option<Self> {
        let Value::Array(parts) = reply else {
            return None;
        };
        let [
            Value::Int(valid),
            Value::Int(stable_for),
            Value::Array(expired),
        ] = parts.as_slice()
        else {
            return None;
        };
        let text = |incarnation: &Value| match incarnation {
            Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        Some(Self {
            valid: *valid == 1,
            stable_for: u128::try_from(*stable_for).unwrap_or(0),
            expired: expired.iter().filter_map(text).collect(),
        })
    }
}
