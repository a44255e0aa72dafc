//! Questions to all other nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::mpsc;

use super::question::{NodeAnswer, NodeQuestion};
use crate::outbound::redis::connection::{Disconnected, MessageBody, NodeMessage};
use crate::outbound::redis::node::{Incarnation, RedisNode};

/// The questions of this node that have not been answered by all nodes.
#[derive(Default)]
pub(super) struct PendingQuestions {
    next_number: AtomicU64,
    pending: Mutex<HashMap<u64, mpsc::UnboundedSender<NodeAnswer>>>,
}

/// Removes a pending question when it is dropped.
struct PendingQuestion<'a>(&'a PendingQuestions, u64);

impl Drop for PendingQuestion<'_> {
    fn drop(&mut self) {
        self.0.pending.lock().remove(&self.1);
    }
}

impl PendingQuestions {
    /// Handles the answer of another node.
    pub(super) fn answered(&self, number: u64, answer: NodeAnswer) {
        if let Some(pending) = self.pending.lock().get(&number) {
            // An error: the receiver was dropped.
            let _ = pending.send(answer);
        }
    }

    /// Asks all other nodes and waits for their answers. The expected number is the smaller one of
    /// two: the subscribers of the topic, which a killed node has left, and the registered nodes, in
    /// which an unreachable node is missing after its lease.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(super) async fn ask(
        &self,
        node: &RedisNode,
        incarnation: &Incarnation,
        question: &NodeQuestion,
    ) -> Result<Vec<NodeAnswer>, Disconnected> {
        let connections = &incarnation.connections;
        let number = self.next_number.fetch_add(1, Relaxed);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.pending.lock().insert(number, sender);
        let _pending = PendingQuestion(self, number);

        let topic = node.names().broadcast_topic();
        let reply_topic = node.names().echo_topic(node.process(), 0);
        let question = serde_json::to_string(question).map_err(|_| Disconnected)?;
        let message = NodeMessage {
            node: node.process(),
            sequence: 0,
            resent: false,
            body: MessageBody::Question(number, reply_topic.into(), question.into()),
        };
        let text = serde_json::to_vec(&message).map_err(|_| Disconnected)?;
        let nodes = node.names().registry_key("nodes");
        let (mut publish, mut count) = (redis::pipe(), redis::pipe());
        publish
            .cmd(connections.publish_command())
            .arg(&topic)
            .arg(text);
        count.cmd("ZCARD").arg(&nodes);
        let (subscribers, registered) = tokio::try_join!(
            connections.send(connections.server_of(&topic), &publish),
            connections.send(connections.server_of(&nodes), &count)
        )?;
        let others = |replies: &[Value]| match replies.first() {
            Some(Value::Int(count)) => usize::try_from(count - 1).unwrap_or(0),
            _ => 0,
        };
        let expected = others(&subscribers).min(others(&registered));
        let mut answers = Vec::with_capacity(expected);
        while answers.len() < expected {
            answers.push(receiver.recv().await.ok_or(Disconnected)?);
        }
        Ok(answers)
    }
}
