//! The register of nodes: who lives.

use redis::Value;

use super::incarnation::Incarnation;
use super::node::RedisNode;
use crate::core::ports::BusMessage;
use crate::outbound::redis::connection::{Connections, Disconnected, Script};

/// What the register says to a node that lives.
struct Told {
    /// The life counts.
    counts: bool,
    /// For how many milliseconds nodes have come and gone one by one.
    calm: u128,
    /// Lives that are over, and have left something.
    gone: Vec<String>,
}

impl RedisNode {
    fn register_keys(&self) -> [String; 4] {
        ["nodes", "beat", "calm", "gone"].map(|what| self.names.register(what))
    }

    fn lease(&self) -> String {
        self.options.lease.as_millis().to_string()
    }

    /// Begins a life in the register.
    pub(super) async fn enter(&self, session: &Connections) -> Result<(), Disconnected> {
        session
            .run(
                Script::Enter,
                &self.register_keys()[..3],
                &[&session.life, &self.lease()],
            )
            .await
            .map(|_| ())
    }

    /// Says again and again that the node lives, and hears who does not; ends with the session.
    pub(super) async fn keep_alive(&self, life: &Incarnation) -> Result<(), Disconnected> {
        loop {
            let answer = life
                .session
                .run(
                    Script::Beat,
                    &self.register_keys(),
                    &[&life.session.life, &self.lease()],
                )
                .await?;
            let Some(told) = Told::read(answer) else {
                life.session.fail("the register answers strangely");
                return Err(Disconnected);
            };
            if !told.counts {
                life.session
                    .fail("the node was silent for longer than its lease");
                return Err(Disconnected);
            }
            life.set_calm(told.calm >= self.options.lease.as_millis());
            life.note_gone(told.gone);
            tokio::time::sleep(self.beat()).await;
        }
    }

    /// Clears away what dead nodes have left; ends with the session. It can take long, and the node must go on living.
    pub(super) async fn keep_clearing(&self, life: &Incarnation) -> Result<(), Disconnected> {
        loop {
            for dead in life.gone().await {
                self.clear(life, &dead).await?;
            }
        }
    }

    /// Ends lives of this node at once, without waiting for their leases.
    pub(super) async fn retire(
        &self,
        session: &Connections,
        lives: &[String],
    ) -> Result<(), Disconnected> {
        if lives.is_empty() {
            return Ok(());
        }
        let [nodes, _, _, gone] = self.register_keys();
        let mut pipeline = redis::pipe();
        for life in lives {
            pipeline.cmd("ZREM").arg(&nodes).arg(life);
            pipeline.cmd("ZADD").arg(&gone).arg(0).arg(life);
        }
        session
            .send(session.line_of(&nodes), &pipeline)
            .await
            .map(|_| ())
    }

    /// Clears away what a life that is over has left, unless another node is at it.
    async fn clear(&self, life: &Incarnation, dead: &str) -> Result<(), Disconnected> {
        let claim = self.names.register(&format!("claim:{dead}"));
        let line = life.session.line_of(&claim);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("SET")
            .arg(&claim)
            .arg(&life.session.life)
            .arg("NX")
            .arg("PX")
            .arg(self.lease());
        if !matches!(
            life.session.send(line, &pipeline).await?.first(),
            Some(Value::Okay)
        ) {
            return Ok(());
        }
        self.boards().clear(life, dead).await?;
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("DEL")
            .arg(self.names.register(&format!("on:{dead}")))
            .arg(&claim);
        pipeline
            .cmd("ZREM")
            .arg(self.names.register("gone"))
            .arg(dead);
        life.session.send(line, &pipeline).await?;
        self.sink().deliver(BusMessage::NodeGone);
        Ok(())
    }
}

impl Told {
    fn read(answer: Value) -> Option<Self> {
        let Value::Array(parts) = answer else {
            return None;
        };
        let [Value::Int(counts), Value::Int(calm), Value::Array(gone)] = parts.as_slice() else {
            return None;
        };
        let text = |life: &Value| match life {
            Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        Some(Self {
            counts: *counts == 1,
            calm: u128::try_from(*calm).unwrap_or(0),
            gone: gone.iter().filter_map(text).collect(),
        })
    }
}
