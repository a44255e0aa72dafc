//! Questions to all other nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::question::{NodeAnswer, NodeQuestion};
use crate::outbound::redis::connection::{Disconnected, MessageBody, NodeMessage};
use crate::outbound::redis::node::{Incarnation, RedisNode};

/// How long the first answers are awaited before the question is repeated; doubled each time.
const REPEAT_AFTER: Duration = Duration::from_millis(250);

/// The questions of this node that have not been answered by all nodes.
#[derive(Default)]
pub(super) struct PendingQuestions {
    next_number: AtomicU64,
    /// By number; an answer comes with its node. At most one answer a node and repetition is queued.
    pending: Mutex<HashMap<u64, mpsc::UnboundedSender<(u64, NodeAnswer)>>>,
}

/// The answers to one question, with their nodes.
type Answers = mpsc::UnboundedReceiver<(u64, NodeAnswer)>;

/// Removes a pending question when it is dropped.
struct PendingQuestion<'a>(&'a PendingQuestions, u64);

impl Drop for PendingQuestion<'_> {
    fn drop(&mut self) {
        self.0.pending.lock().remove(&self.1);
    }
}

impl PendingQuestions {
    /// Handles the answer of another node.
    pub(super) fn answered(&self, number: u64, node: u64, answer: NodeAnswer) {
        if let Some(pending) = self.pending.lock().get(&number) {
            // An error: the receiver was dropped.
            let _ = pending.send((node, answer));
        }
    }

    /// Registers a question; returns the receiver of its answers, and the message that asks it.
    fn begin(
        &self,
        node: &RedisNode,
        question: &NodeQuestion,
    ) -> Result<(PendingQuestion<'_>, Answers, Vec<u8>), Disconnected> {
        let number = self.next_number.fetch_add(1, Relaxed);
        let (sender, receiver) = mpsc::unbounded_channel();
        self.pending.lock().insert(number, sender);
        let pending = PendingQuestion(self, number);

        let reply_topic = node.names().echo_topic(node.process(), 0);
        let question = serde_json::to_string(question).map_err(|_| Disconnected)?;
        let message = NodeMessage {
            node: node.process(),
            sequence: 0,
            resent: false,
            body: MessageBody::Question(number, reply_topic.into(), question.into()),
        };
        let text = serde_json::to_vec(&message).map_err(|_| Disconnected)?;
        Ok((pending, receiver, text))
    }

    /// Asks all other nodes and waits for their answers up to `within`; returns the answers, and the registered nodes that did
    /// not answer.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(super) async fn ask_within(
        &self,
        node: &RedisNode,
        incarnation: &Incarnation,
        question: &NodeQuestion,
        within: Duration,
    ) -> Result<(HashMap<u64, NodeAnswer>, Vec<u64>), Disconnected> {
        let (_pending, mut receiver, text) = self.begin(node, question)?;
        let mut answers = HashMap::new();
        let mut registered = Vec::new();
        let asking = async {
            let mut repeat_after = REPEAT_AFTER;
            registered = registered_nodes(node, incarnation).await?;
            loop {
                let expected = publish_question(node, incarnation, &text).await?;
                let collecting = async {
                    while answers.len() < expected {
                        let (node, answer) = receiver.recv().await.ok_or(Disconnected)?;
                        answers.insert(node, answer);
                    }
                    Ok::<_, Disconnected>(())
                };
                if let Ok(collected) = timeout(repeat_after, collecting).await {
                    return collected;
                }
                repeat_after *= 2;
            }
        };
        // Those that have not answered by the end of the time are named.
        if let Ok(asked) = timeout(within, asking).await {
            asked?;
        }
        registered.retain(|node| !answers.contains_key(node));
        Ok((answers, registered))
    }

    /// Asks all other nodes and waits for their answers. The question is repeated while answers are
    /// missing: a node may have ended before it answered, and is not expected to the next time.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(super) async fn ask(
        &self,
        node: &RedisNode,
        incarnation: &Incarnation,
        question: &NodeQuestion,
    ) -> Result<Vec<NodeAnswer>, Disconnected> {
        let (_pending, mut receiver, text) = self.begin(node, question)?;
        let mut answers = HashMap::new();
        let mut repeat_after = REPEAT_AFTER;
        loop {
            while receiver.try_recv().is_ok() {}
            answers.clear();
            let expected = publish_question(node, incarnation, &text).await?;
            let collecting = async {
                while answers.len() < expected {
                    let (node, answer) = receiver.recv().await.ok_or(Disconnected)?;
                    answers.insert(node, answer);
                }
                Ok(())
            };
            if let Ok(collected) = timeout(repeat_after, collecting).await {
                return collected.map(|()| answers.into_values().collect());
            }
            repeat_after *= 2;
        }
    }
}

/// The process numbers of the other registered nodes.
async fn registered_nodes(
    node: &RedisNode,
    incarnation: &Incarnation,
) -> Result<Vec<u64>, Disconnected> {
    let connections = &incarnation.connections;
    let nodes = node.names().registry_key("nodes");
    let mut list = redis::pipe();
    list.cmd("ZRANGE").arg(&nodes).arg(0).arg(-1);
    let replies = connections
        .send(connections.server_of(&nodes), &list)
        .await?;
    let process = |value: &Value| match value {
        // `<process>.<incarnation>`
        Value::BulkString(id) => std::str::from_utf8(id)
            .ok()?
            .split('.')
            .next()?
            .parse()
            .ok(),
        _ => None,
    };
    let Some(Value::Array(ids)) = replies.first() else {
        return Ok(Vec::new());
    };
    let mut others: Vec<u64> = ids.iter().filter_map(process).collect();
    others.retain(|other| *other != node.process());
    others.sort_unstable();
    others.dedup();
    Ok(others)
}

/// Publishes a question and returns the number of nodes that must answer. It is the smaller one of
/// two: the subscribers of the topic, which a killed node has left, and the registered nodes, in
/// which an unreachable node is missing after its lease.
async fn publish_question(
    node: &RedisNode,
    incarnation: &Incarnation,
    text: &[u8],
) -> Result<usize, Disconnected> {
    let connections = &incarnation.connections;
    let topic = node.names().broadcast_topic();
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
    Ok(others(&subscribers).min(others(&registered)))
}
