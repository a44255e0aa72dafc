//! The connections to all servers, from when they are established until the first of them fails.
//!
//! The cluster client of the `redis` crate is not used: it reconnects without notice, while here a
//! lost connection ends the incarnation, and the order of messages requires exactly one connection
//! per server.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, Pipeline, PushInfo, RedisError, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::scripts::Script;
use super::slots::SlotMap;
use super::target::{self, RedisTarget};

/// Capacity of the queue of pushed messages. A node that falls further behind loses its connections
/// and catches up from the store, which bounds its memory.
const PUSH_QUEUE_CAPACITY: usize = 200_000;

/// Timeout of each step of [`check_reachable`].
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Redis cannot be reached, or has not answered in time. Whether a command that was sent took
/// effect is unknown.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("redis is disconnected")]
pub(crate) struct Disconnected;

/// A message pushed by a server.
pub(crate) struct PushedMessage {
    /// Index of the server.
    pub server: usize,
    /// The message as the driver delivers it.
    pub info: PushInfo,
}

/// The connection to one server. Subscriptions, publishes and scripts share it, so a node receives
/// its own publishes in the order in which it sent them.
struct ServerConnection {
    connection: MultiplexedConnection,
    /// When the server last sent something, in milliseconds since `Connections::opened`.
    last_received: Arc<AtomicU64>,
}

/// The connections of one incarnation. The first failure on any of them ends all: so every failure
/// has the same recovery, which reconnects everything.
pub(crate) struct Connections {
    /// The id of the incarnation: the process's number, a dot, and the incarnation's number.
    pub id: String,
    /// The number of the incarnation, from 1.
    pub number: u64,
    servers: Vec<ServerConnection>,
    /// `None`: one server, no cluster.
    slots: Option<SlotMap>,
    /// SHA-1 of each script, in the order of [`Script::ALL`].
    shas: Vec<String>,
    opened: Instant,
    closed: CancellationToken,
    reason: OnceLock<String>,
}

impl Connections {
    /// Connects to all servers and loads the scripts; each step may take `step_timeout`. Pushed
    /// messages of all servers arrive in the receiver.
    ///
    /// # Errors
    /// When a server cannot be reached, refuses the login or misses a slot of the cluster.
    pub(crate) async fn open(
        target: &RedisTarget,
        process: u64,
        number: u64,
        step_timeout: Duration,
    ) -> Result<(Self, mpsc::Receiver<PushedMessage>), RedisError> {
        let opened = Instant::now();
        let closed = CancellationToken::new();
        let (sender, receiver) = mpsc::channel(PUSH_QUEUE_CAPACITY);
        let (addresses, slots) = discover(target, step_timeout).await?;
        let mut servers = Vec::with_capacity(addresses.len());
        for (index, address) in addresses.into_iter().enumerate() {
            let last_received = Arc::new(AtomicU64::new(0));
            let (sender, received) = (sender.clone(), Arc::clone(&last_received));
            let overflowed = closed.clone();
            let on_push = move |info: PushInfo| {
                received.store(millis(opened.elapsed()), Relaxed);
                let message = PushedMessage {
                    server: index,
                    info,
                };
                sender
                    .try_send(message)
                    .inspect_err(|_| overflowed.cancel())
            };
            let config = AsyncConnectionConfig::new().set_push_sender(on_push);
            servers.push(ServerConnection {
                connection: connect(address, config, step_timeout).await?,
                last_received,
            });
        }
        let mut connections = Self {
            id: format!("{process}.{number}"),
            number,
            servers,
            slots,
            shas: Vec::new(),
            opened,
            closed,
            reason: OnceLock::new(),
        };
        connections.load_scripts(step_timeout).await?;
        Ok((connections, receiver))
    }

    async fn load_scripts(&mut self, step_timeout: Duration) -> Result<(), RedisError> {
        for server in &self.servers {
            let mut pipeline = redis::pipe();
            for script in Script::ALL {
                pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
            }
            let mut connection = server.connection.clone();
            self.shas = timeout(step_timeout, pipeline.query_async(&mut connection))
                .await
                .map_err(timed_out)??;
        }
        Ok(())
    }

    /// The number of servers.
    pub(crate) fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// Whether the target is a cluster, in which a topic is published on one server only.
    pub(crate) fn is_cluster(&self) -> bool {
        self.slots.is_some()
    }

    /// The command that publishes.
    pub(crate) fn publish_command(&self) -> &'static str {
        if self.is_cluster() {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// Index of the server that owns a key or topic.
    pub(crate) fn server_of(&self, name: &str) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.server_of(name))
    }

    /// Sends commands in the order of the calls, and returns their replies. An error reply closes
    /// all connections.
    ///
    /// # Errors
    /// When the connections are closed, or this call closes them.
    pub(crate) async fn send(
        &self,
        server: usize,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, Disconnected> {
        let count = pipeline.cmd_iter().count();
        let Some(server) = self.servers.get(server) else {
            return Err(Disconnected);
        };
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut connection = server.connection.clone();
        let replies = tokio::select! {
            biased;
            () = self.closed.cancelled() => return Err(Disconnected),
            replies = connection.send_packed_commands(pipeline, 0, count) => replies,
        };
        server
            .last_received
            .store(millis(self.opened.elapsed()), Relaxed);
        let failure = match replies {
            Ok(replies) => match replies.iter().find_map(error_reply) {
                None => return Ok(replies),
                Some(error) => error,
            },
            Err(error) => error.to_string(),
        };
        self.fail(failure);
        Err(Disconnected)
    }

    /// Appends the call of a script to a pipeline.
    pub(crate) fn add_script<'a>(
        &self,
        pipeline: &'a mut Pipeline,
        script: Script,
        keys: &[String],
        arguments: &[&str],
    ) -> &'a mut Pipeline {
        let sha = self.shas.get(script as usize).map_or("", String::as_str);
        pipeline
            .cmd("EVALSHA")
            .arg(sha)
            .arg(keys.len())
            .arg(keys)
            .arg(arguments)
    }

    /// Runs a script on the server of its first key.
    ///
    /// # Errors
    /// As [`Connections::send`].
    pub(crate) async fn run_script(
        &self,
        script: Script,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Value, Disconnected> {
        let mut pipeline = redis::pipe();
        self.add_script(&mut pipeline, script, keys, arguments);
        let server = keys.first().map_or(0, |key| self.server_of(key));
        self.send(server, &pipeline)
            .await?
            .pop()
            .ok_or(Disconnected)
    }

    /// Closes all connections. The first reason is kept for the log.
    pub(crate) fn fail(&self, reason: impl Display) {
        let _ = self.reason.set(reason.to_string());
        self.closed.cancel();
    }

    /// As [`Connections::fail`], as the error to return.
    pub(crate) fn fail_with(&self, reason: &str) -> Disconnected {
        self.fail(reason);
        Disconnected
    }

    /// Resolves when the connections are closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Why the connections were closed. Without a recorded reason the push queue has overflowed.
    pub(crate) fn failure_reason(&self) -> &str {
        self.reason
            .get()
            .map_or("push queue overflow", String::as_str)
    }

    /// The time since the last message of the server that has been silent the longest.
    pub(crate) fn longest_silence(&self) -> Duration {
        let received = self
            .servers
            .iter()
            .map(|server| server.last_received.load(Relaxed))
            .min()
            .unwrap_or(0);
        self.opened
            .elapsed()
            .saturating_sub(Duration::from_millis(received))
    }

    /// Restarts the measurement of silence, after this process itself was suspended.
    pub(crate) fn reset_silence(&self) {
        for server in &self.servers {
            server
                .last_received
                .store(millis(self.opened.elapsed()), Relaxed);
        }
    }
}

/// Checks that the servers can be reached and accept the login.
///
/// # Errors
/// The reason in one line.
pub(crate) async fn check_reachable(target: &RedisTarget) -> Result<(), String> {
    Connections::open(target, 0, 0, CHECK_TIMEOUT)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn error_reply(reply: &Value) -> Option<String> {
    match reply {
        Value::ServerError(error) => Some(error.to_string()),
        _ => None,
    }
}

fn timed_out<E>(_: E) -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

async fn connect(
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
    step_timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    // No timeout per reply: the silence over everything that a connection receives is measured
    // instead (`RedisNode::watch_silence`).
    let config = config
        .set_response_timeout(None)
        .set_connection_timeout(Some(step_timeout))
        .set_pipeline_buffer_size(1024);
    let client = Client::open(info)?;
    timeout(
        step_timeout,
        client.get_multiplexed_async_connection_with_config(&config),
    )
    .await
    .map_err(timed_out)?
}

/// The addresses of all servers, and of a cluster the owners of its slots.
async fn discover(
    target: &RedisTarget,
    step_timeout: Duration,
) -> Result<(Vec<ConnectionInfo>, Option<SlotMap>), RedisError> {
    if !target.cluster {
        return Ok((target.seeds.clone(), None));
    }
    let mut failure = None;
    for seed in &target.seeds {
        match read_slots(seed, step_timeout).await {
            Ok(slots) => {
                let servers = slots
                    .servers
                    .iter()
                    .map(|(host, port)| target::with_address(seed, host, *port))
                    .collect();
                return Ok((servers, Some(slots)));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| timed_out(())))
}

async fn read_slots(seed: &ConnectionInfo, step_timeout: Duration) -> Result<SlotMap, RedisError> {
    let mut connection = connect(seed.clone(), AsyncConnectionConfig::new(), step_timeout).await?;
    let command = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
    let reply: Value = timeout(step_timeout, command.query_async(&mut connection))
        .await
        .map_err(timed_out)??;
    SlotMap::parse(&reply, target::host_of(seed)).ok_or_else(|| {
        RedisError::from((
            redis::ErrorKind::Client,
            "CLUSTER SLOTS does not cover every slot",
        ))
    })
}
