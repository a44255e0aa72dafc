//! What arrives.

use std::sync::Arc;

use redis::{PushKind, Value};
use tokio::sync::mpsc::Receiver;

use super::node::RedisNode;
use crate::outbound::redis::connection::{Body, Connections, Frame, Pushed, carrier, slot};

impl RedisNode {
    /// Takes in what Redis pushes, until the session has ended and everything that came before is taken in.
    pub(super) async fn hear(
        self: Arc<Self>,
        session: Arc<Connections>,
        mut pushed: Receiver<Pushed>,
    ) {
        loop {
            let next = tokio::select! {
                biased;
                next = pushed.recv() => next,
                () = session.broken() => break,
            };
            match next {
                Some(next) => self.take_in(&session, next),
                None => break session.fail("the connection was closed"),
            }
        }
        while let Ok(next) = pushed.try_recv() {
            self.take_in(&session, next);
        }
    }

    fn take_in(&self, session: &Arc<Connections>, pushed: Pushed) {
        let mut parts = pushed.info.data.into_iter();
        match pushed.info.kind {
            PushKind::Disconnection => session.fail("the connection was closed"),
            PushKind::Message | PushKind::SMessage => {
                if let (Some(Value::BulkString(topic)), Some(Value::BulkString(text))) =
                    (parts.next(), parts.next())
                {
                    self.hear_message(session, pushed.line, &topic, &text);
                }
            }
            // A cluster ends subscriptions where it moves slots: the answers of this connection cannot be told apart any more.
            PushKind::SUnsubscribe => {
                if let Some(Value::BulkString(topic)) = parts.next()
                    && self.still_listens(&String::from_utf8_lossy(&topic))
                {
                    session.fail("the cluster has moved slots");
                }
            }
            _ => {}
        }
    }

    fn answer(
        &self,
        session: &Arc<Connections>,
        node: u64,
        number: u64,
        reply: &str,
        question: &str,
    ) {
        if node == self.options.process {
            return;
        }
        let Some(text) = self.census().and_then(|census| census.answer(question)) else {
            return;
        };
        let body = Body::Answer(number, text.into());
        let Ok(text) = serde_json::to_vec(&Frame {
            node: self.options.process,
            number: 0,
            again: false,
            body,
        }) else {
            return;
        };
        let mut pipeline = redis::pipe();
        pipeline.cmd(session.publish_command()).arg(reply).arg(text);
        let (session, line) = (Arc::clone(session), session.line_of(reply));
        // Whoever asked waits no longer than it does for a node that is gone.
        tokio::spawn(async move { session.send(line, &pipeline).await.map(|_| ()) });
    }

    fn still_listens(&self, topic: &str) -> bool {
        match self.names.parse_topic(topic) {
            Some((app, channel)) => self.topics.is_confirmed(&app, &channel),
            None => true,
        }
    }

    fn hear_message(&self, session: &Arc<Connections>, line: usize, topic: &[u8], text: &[u8]) {
        let Ok(topic) = std::str::from_utf8(topic) else {
            return;
        };
        let frame: Frame<'_> = match serde_json::from_slice(text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "something that is no message of a node was published");
                return;
            }
        };
        if let Body::Ask(number, reply, question) = &frame.body {
            return self.answer(session, frame.node, *number, reply, question);
        }
        if let Body::Answer(number, answer) = &frame.body {
            if let Some(census) = self.census() {
                census.answered(*number, answer);
            }
            return;
        }
        if let Body::Presence(body) = &frame.body {
            if let Some((app, channel)) = self.names.parse_topic(topic) {
                self.boards()
                    .changed(&app, &channel, self.options.process, body, &*self.sink());
            }
            return;
        }
        if frame.node == self.options.process {
            if let Some((message, took)) = self.outgoing.returned(frame.number, line) {
                self.measure(took, false);
                self.sink().deliver(message);
            }
            return;
        }
        let slot = if session.is_sharded() {
            u16::try_from(slot(topic)).unwrap_or(0)
        } else {
            0
        };
        if self
            .seen
            .is_repeated(frame.node, slot, frame.number, frame.again)
        {
            return;
        }
        if let Some(message) = frame.body.message() {
            debug_assert!(message.channel().is_none_or(
                |(app, channel)| topic == self.names.topic(app, carrier(channel).as_str())
            ));
            self.sink().deliver(message);
        }
    }
}
