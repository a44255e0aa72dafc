//! Asking every other node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::mpsc;

use super::question::{Answer, Question};
use crate::outbound::redis::connection::{Body, Disconnected, Frame};
use crate::outbound::redis::node::{Incarnation, RedisNode};

/// Questions that wait for answers.
#[derive(Default)]
pub struct Asking {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::UnboundedSender<Answer>>>,
}

/// Nobody waits for the answers any more once this is dropped.
struct Waiting<'a>(&'a Asking, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.lock().remove(&self.1);
    }
}

impl Asking {
    /// Another node has answered.
    pub fn answered(&self, number: u64, answer: Answer) {
        if let Some(waiting) = self.waiting.lock().get(&number) {
            // Who does not wait any more needs no answer.
            let _ = waiting.send(answer);
        }
    }

    /// Asks all others, and waits until all that live have answered: a node that was killed is no subscriber any more, and
    /// one that cannot be heard is not in the register after its lease.
    pub async fn ask(
        &self,
        mesh: &RedisNode,
        life: &Incarnation,
        question: &Question,
    ) -> Result<Vec<Answer>, Disconnected> {
        let session = &life.session;
        let number = self.next.fetch_add(1, Relaxed);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.waiting.lock().insert(number, sender);
        let _waiting = Waiting(self, number);

        let (topic, reply) = (
            mesh.names().everybody(),
            mesh.names().echo(mesh.process(), 0),
        );
        let question = serde_json::to_string(question).map_err(|_| Disconnected)?;
        let body = Body::Ask(number, reply.into(), question.into());
        let text = serde_json::to_vec(&Frame {
            node: mesh.process(),
            number: 0,
            again: false,
            body,
        })
        .map_err(|_| Disconnected)?;
        let nodes = mesh.names().register("nodes");
        let (mut publish, mut count) = (redis::pipe(), redis::pipe());
        publish.cmd(session.publish_command()).arg(&topic).arg(text);
        count.cmd("ZCARD").arg(&nodes);
        let (heard, alive) = tokio::try_join!(
            session.send(session.line_of(&topic), &publish),
            session.send(session.line_of(&nodes), &count)
        )?;
        let others = |answer: &[Value]| match answer.first() {
            Some(Value::Int(count)) => usize::try_from(count - 1).unwrap_or(0),
            _ => 0,
        };
        let expected = others(&heard).min(others(&alive));
        let mut answers = Vec::with_capacity(expected);
        while answers.len() < expected {
            answers.push(receiver.recv().await.ok_or(Disconnected)?);
        }
        Ok(answers)
    }
}
