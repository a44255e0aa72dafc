//! The life cycle of the node: connect, register, run until the connections are lost, repeat.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::RedisNode;
use super::incarnation::Incarnation;
use super::receiver::NodeTasks;
use crate::core::backoff::Backoff;
use crate::core::hub::Hub;
use crate::outbound::redis::bus::TopicChange;
use crate::outbound::redis::connection::{Connections, Disconnected};

/// The first and the longest delay before a reconnect.
const MIN_RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(1);

/// How long a node that stops may take to send its last messages.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval at which a stopping node checks whether everything has been sent.
const STOP_POLL: Duration = Duration::from_millis(5);

impl RedisNode {
    /// Runs one incarnation after the other until `stop`, then sends the queue and unregisters.
    /// Received messages are delivered corked by `hub`.
    pub(crate) async fn run(self: Arc<Self>, hub: Arc<Hub>, stop: CancellationToken) {
        let mut former = Vec::new();
        let mut backoff = Backoff::new(MIN_RETRY, MAX_RETRY);
        for number in 1.. {
            let begun = Instant::now();
            match self.run_incarnation(number, &hub, &mut former, &stop).await {
                Ok(()) => return,
                Err(reason) => self.log_disconnected(&reason),
            }
            if begun.elapsed() > MAX_RETRY {
                backoff.reset();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(backoff.next_delay()) => {}
            }
        }
    }

    fn log_disconnected(&self, reason: &str) {
        if self.set_bus_up(false) {
            tracing::error!(
                reason,
                redis = self.options.target.describe(),
                "redis connection lost, serving local clients only"
            );
        } else {
            tracing::debug!(reason, "redis still unavailable");
        }
    }

    /// Runs one incarnation. `former`: ids of earlier ones whose data may not have been removed.
    /// `Ok`: the node stops. `Err`: the reason for which the connections were lost.
    async fn run_incarnation(
        self: &Arc<Self>,
        number: u64,
        hub: &Hub,
        former: &mut Vec<String>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let opening = Connections::open(
            &self.options.target,
            self.options.process,
            number,
            self.silence_limit(),
        );
        let (connections, pushed) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = opening => opened.map_err(|error: RedisError| error.to_string())?,
        };
        let connections = Arc::new(connections);
        let receive = Arc::clone(self).receive(Arc::clone(&connections), pushed);
        let receiving = tokio::spawn(hub.cork(receive));
        let mut tasks = NodeTasks::new();
        let result = tokio::select! {
            biased;
            () = connections.closed() => Err(Disconnected),
            result = self.run_connected(&connections, former, &mut tasks, stop) => result,
        };
        let reason = connections.failure_reason().to_owned();
        connections.fail("closed");
        tasks.shutdown().await;
        // Everything received before the end is handled first: messages that are still awaited
        // after that never arrive.
        let _ = receiving.await;
        self.set_incarnation(None);
        for receiver in self.receivers() {
            receiver.on_disconnected();
        }
        self.topics.disconnected();
        for waited in self.outgoing.disconnected(&*self.sink()) {
            self.record_round_trip(waited, true);
        }
        result.map_err(|Disconnected| reason)
    }

    /// Subscribes, registers and starts all tasks; returns when the node stops or the connections
    /// are lost. The order matters: nothing is published before the subscriptions are confirmed.
    async fn run_connected(
        self: &Arc<Self>,
        connections: &Arc<Connections>,
        former: &mut Vec<String>,
        tasks: &mut NodeTasks,
        stop: &CancellationToken,
    ) -> Result<(), Disconnected> {
        let (node, watched) = (Arc::clone(self), Arc::clone(connections));
        tasks.spawn(async move { node.watch_silence(&watched).await });
        self.subscribe_all(connections).await?;
        self.outgoing.connected();
        let (node, sending) = (Arc::clone(self), Arc::clone(connections));
        tasks.spawn(async move { node.send_outgoing(&sending).await });
        let (node, subscribing) = (Arc::clone(self), Arc::clone(connections));
        tasks.spawn(async move { node.update_subscriptions(&subscribing).await });
        self.sink().resumed();

        self.register(connections).await?;
        let incarnation = Arc::new(Incarnation::new(Arc::clone(connections), former.clone()));
        // From here on this incarnation may leave data in Redis, however it ends.
        former.push(connections.id.clone());
        let (node, indexed) = (Arc::clone(self), Arc::clone(&incarnation));
        tasks.spawn(async move { indexed.write_index(&node.names).await });
        self.set_incarnation(Some(Arc::clone(&incarnation)));
        let (node, registered) = (Arc::clone(self), Arc::clone(&incarnation));
        tasks.spawn(async move { node.send_heartbeats(&registered).await });
        let (node, evicting) = (Arc::clone(self), Arc::clone(&incarnation));
        tasks.spawn(async move { node.evict_expired(&evicting).await });
        for receiver in self.receivers() {
            receiver.on_connected(&incarnation, tasks).await?;
        }
        self.unregister(connections, &incarnation.former).await?;
        former.retain(|id| !incarnation.former.contains(id));
        if self.set_bus_up(true) {
            tracing::info!(redis = self.options.target.describe(), "redis connected");
        }
        stop.cancelled().await;
        self.stop(connections).await;
        Ok(())
    }

    /// Sends the queued messages, and ends the lease.
    async fn stop(&self, connections: &Connections) {
        let stopping = async {
            while !self.outgoing.is_empty() {
                sleep(STOP_POLL).await;
            }
            let _ = self
                .unregister(connections, std::slice::from_ref(&connections.id))
                .await;
        };
        let _ = timeout(STOP_TIMEOUT, stopping).await;
    }

    /// Subscribes to everything that this node needs.
    async fn subscribe_all(&self, connections: &Connections) -> Result<(), Disconnected> {
        self.change_subscriptions(
            connections,
            [self.names.broadcast_topic()]
                .into_iter()
                .chain(self.echo_topics(connections))
                .map(|topic| (topic, true)),
        )
        .await?;
        self.topics.connected();
        while let Some(changes) = self.topics.try_next() {
            self.apply_changes(connections, changes).await?;
        }
        Ok(())
    }

    async fn update_subscriptions(&self, connections: &Connections) -> Result<(), Disconnected> {
        loop {
            let changes = self.topics.next().await;
            self.apply_changes(connections, changes).await?;
        }
    }

    async fn apply_changes(
        &self,
        connections: &Connections,
        changes: Vec<TopicChange>,
    ) -> Result<(), Disconnected> {
        let topics = changes.iter().map(|change| {
            (
                self.names.topic(&change.app, change.channel.as_str()),
                change.subscribe,
            )
        });
        self.change_subscriptions(connections, topics).await?;
        for change in &changes {
            self.topics.confirm(change);
        }
        Ok(())
    }

    /// Subscribes (`true`) or unsubscribes, in order; returns when Redis has confirmed all.
    async fn change_subscriptions(
        &self,
        connections: &Connections,
        topics: impl Iterator<Item = (String, bool)>,
    ) -> Result<(), Disconnected> {
        let (subscribe, unsubscribe) = if connections.is_cluster() {
            ("SSUBSCRIBE", "SUNSUBSCRIBE")
        } else {
            ("SUBSCRIBE", "UNSUBSCRIBE")
        };
        let mut pipelines = vec![redis::pipe(); connections.server_count()];
        for (topic, subscribed) in topics {
            if let Some(pipeline) = pipelines.get_mut(connections.server_of(&topic)) {
                let command = if subscribed { subscribe } else { unsubscribe };
                pipeline.cmd(command).arg(topic);
            }
        }
        for (server, pipeline) in pipelines.iter().enumerate() {
            for reply in connections.send(server, pipeline).await? {
                if !matches!(reply, Value::Push { .. }) {
                    return Err(connections.fail_with("malformed reply to a subscription"));
                }
            }
        }
        Ok(())
    }

    /// Publishes queued messages, in batches, until the connections are lost.
    async fn send_outgoing(&self, connections: &Connections) -> Result<(), Disconnected> {
        loop {
            let route = |topic: &str| connections.server_of(topic);
            let batch = self.outgoing.next_batch(route).await;
            let mut pipelines = vec![redis::pipe(); connections.server_count()];
            for entry in &batch {
                if let (Some(pipeline), Some(text)) = (
                    pipelines.get_mut(entry.server),
                    entry.encode(self.options.process),
                ) {
                    pipeline
                        .cmd(connections.publish_command())
                        .arg(&entry.topic)
                        .arg(text);
                }
            }
            let sending = pipelines
                .iter()
                .enumerate()
                .map(|(server, pipeline)| connections.send(server, pipeline));
            futures_util::future::try_join_all(sending).await?;
            self.outgoing.acknowledge();
        }
    }

    /// Closes the connections when a server has sent nothing for too long. Echo messages make sure
    /// that every live server sends something.
    async fn watch_silence(&self, connections: &Connections) -> Result<(), Disconnected> {
        let interval = self.heartbeat_interval();
        loop {
            let before = Instant::now();
            sleep(interval).await;
            if before.elapsed() > interval * 3 {
                // This process was suspended: messages that Redis sent meanwhile are not read yet.
                connections.reset_silence();
            } else if connections.longest_silence() > self.silence_limit() {
                return Err(connections.fail_with("no message from redis in time"));
            }
            for topic in self.echo_topics(connections) {
                self.outgoing.echo(topic);
            }
        }
    }

    /// For each server an echo topic that it owns.
    fn echo_topics(&self, connections: &Connections) -> impl Iterator<Item = String> {
        (0..connections.server_count()).map(|server| {
            let mut candidates =
                (0..).map(|salt| self.names.echo_topic(self.options.process, salt));
            candidates
                .find(|topic| connections.server_of(topic) == server)
                .unwrap_or_default()
        })
    }
}
