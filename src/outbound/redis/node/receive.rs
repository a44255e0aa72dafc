//! The loop that receives pushed messages, and their dispatch.

use std::sync::Arc;

use redis::{PushKind, Value};
use tokio::sync::mpsc;

use super::RedisNode;
use super::receiver::ReceivedMessage;
use crate::outbound::redis::connection::{
    Connections, MessageBody, NodeMessage, PushedMessage, hash_slot, topic_channel,
};

impl RedisNode {
    /// Handles pushed messages until the connections are closed, and those that arrived before.
    pub(super) async fn receive(
        self: Arc<Self>,
        connections: Arc<Connections>,
        mut pushed: mpsc::Receiver<PushedMessage>,
    ) {
        loop {
            let next = tokio::select! {
                biased;
                next = pushed.recv() => next,
                () = connections.closed() => break,
            };
            match next {
                Some(next) => self.handle_push(&connections, next),
                None => break connections.fail("connection closed"),
            }
        }
        while let Ok(next) = pushed.try_recv() {
            self.handle_push(&connections, next);
        }
    }

    fn handle_push(&self, connections: &Arc<Connections>, pushed: PushedMessage) {
        let mut parts = pushed.info.data.into_iter();
        match pushed.info.kind {
            PushKind::Disconnection => connections.fail("connection closed"),
            PushKind::Message | PushKind::SMessage => {
                if let (Some(Value::BulkString(topic)), Some(Value::BulkString(text))) =
                    (parts.next(), parts.next())
                {
                    self.handle_message(connections, pushed.server, &topic, &text);
                }
            }
            // A cluster ends subscriptions when it moves slots. From then on the confirmations of
            // this connection are ambiguous.
            PushKind::SUnsubscribe => {
                if let Some(Value::BulkString(topic)) = parts.next()
                    && self.needs_topic(&String::from_utf8_lossy(&topic))
                {
                    connections.fail("cluster slots moved");
                }
            }
            _ => {}
        }
    }

    fn needs_topic(&self, topic: &str) -> bool {
        match self.names.parse_topic(topic) {
            Some((app, channel)) => self.topics.is_confirmed(&app, &channel),
            None => true,
        }
    }

    fn handle_message(
        &self,
        connections: &Arc<Connections>,
        server: usize,
        topic: &[u8],
        text: &[u8],
    ) {
        let Ok(topic) = std::str::from_utf8(topic) else {
            return;
        };
        let message: NodeMessage<'_> = match serde_json::from_slice(text) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, topic, "malformed bus message ignored");
                return;
            }
        };
        if let MessageBody::MemberChange(_) | MessageBody::Question(..) | MessageBody::Answer(..) =
            &message.body
        {
            let received = ReceivedMessage {
                connections,
                topic,
                message: &message,
            };
            for receiver in self.receivers() {
                receiver.on_message(&received);
            }
            return;
        }
        if message.node == self.options.process {
            if let Some((message, took)) = self.outgoing.returned(message.sequence, server) {
                self.record_round_trip(took, false);
                self.sink().deliver(message);
            }
            return;
        }
        let slot = if connections.is_cluster() {
            u16::try_from(hash_slot(topic)).unwrap_or(0)
        } else {
            0
        };
        if self
            .dedup
            .is_duplicate(message.node, slot, message.sequence, message.resent)
        {
            return;
        }
        if let Some(message) = message.body.to_bus() {
            debug_assert!(
                message.channel().is_none_or(|(app, channel)| topic
                    == self.names.topic(app, topic_channel(channel).as_str()))
            );
            self.sink().deliver(message);
        }
    }
}
