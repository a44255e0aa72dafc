//! One life of the connections to Redis: from when they stand until the first of them fails.

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
use super::target::{self, Target};

/// Pushed messages that may wait to be taken in. A node that falls further behind loses its connections and catches up
/// from the store, rather than all its memory.
const MOST_PUSHED: usize = 200_000;

/// How long a look at Redis may take at each step.
const LOOK: Duration = Duration::from_secs(2);

/// Redis cannot be reached, or has not answered in time; what was asked may or may not have been done.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("Redis is away")]
pub struct Disconnected;

/// Something that Redis pushed.
pub struct Pushed {
    /// The server, an index into the session's lines.
    pub line: usize,
    /// What.
    pub info: PushInfo,
}

/// One connection to one server. Subscriptions, publishes and scripts share it: so what a node publishes comes back in
/// the order in which it was sent.
struct Line {
    connection: MultiplexedConnection,
    heard: Arc<AtomicU64>,
}

/// One life of the connections. Whatever goes wrong on any of them ends it; then all begin again. So there is one way
/// to recover, from everything.
pub struct Connections {
    /// The node's name in this life: the process's number, a dot, and the number of the life.
    pub life: String,
    /// The number of the life.
    pub number: u64,
    lines: Vec<Line>,
    slots: Option<SlotMap>,
    shas: Vec<String>,
    begun: Instant,
    broken: CancellationToken,
    reason: OnceLock<String>,
}

impl Connections {
    /// Connects, each step within `patience`. What Redis pushes comes out of the receiver.
    pub async fn open(
        target: &Target,
        process: u64,
        number: u64,
        patience: Duration,
    ) -> Result<(Self, mpsc::Receiver<Pushed>), RedisError> {
        let begun = Instant::now();
        let broken = CancellationToken::new();
        let (pushes, pushed) = mpsc::channel(MOST_PUSHED);
        let (servers, slots) = servers(target, patience).await?;
        let mut lines = Vec::with_capacity(servers.len());
        for (index, server) in servers.into_iter().enumerate() {
            let heard = Arc::new(AtomicU64::new(0));
            let (pushes, noted, ended) = (pushes.clone(), Arc::clone(&heard), broken.clone());
            let push = move |info: PushInfo| {
                noted.store(millis(begun.elapsed()), Relaxed);
                pushes
                    .try_send(Pushed { line: index, info })
                    .inspect_err(|_| ended.cancel())
            };
            let config = AsyncConnectionConfig::new().set_push_sender(push);
            lines.push(Line {
                connection: connect(server, config, patience).await?,
                heard,
            });
        }
        let life = format!("{process}.{number}");
        let mut session = Self {
            life,
            number,
            lines,
            slots,
            shas: Vec::new(),
            begun,
            broken,
            reason: OnceLock::new(),
        };
        session.load_scripts(patience).await?;
        Ok((session, pushed))
    }

    async fn load_scripts(&mut self, patience: Duration) -> Result<(), RedisError> {
        for line in &self.lines {
            let mut pipeline = redis::pipe();
            for script in Script::ALL {
                pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
            }
            let mut connection = line.connection.clone();
            self.shas = timeout(patience, pipeline.query_async(&mut connection))
                .await
                .map_err(late)??;
        }
        Ok(())
    }

    /// How many servers there are.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Whether topics are published on one server of a cluster alone.
    pub fn is_sharded(&self) -> bool {
        self.slots.is_some()
    }

    /// The command that publishes.
    pub fn publish_command(&self) -> &'static str {
        if self.is_sharded() {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// The server that has a key or topic.
    pub fn line_of(&self, name: &str) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.server(name))
    }

    /// Sends commands, in the order of the calls, and waits for the answers. An error among them ends the session.
    pub async fn send(&self, line: usize, pipeline: &Pipeline) -> Result<Vec<Value>, Disconnected> {
        let count = pipeline.cmd_iter().count();
        let Some(line) = self.lines.get(line) else {
            return Err(Disconnected);
        };
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut connection = line.connection.clone();
        let answers = tokio::select! {
            biased;
            () = self.broken.cancelled() => return Err(Disconnected),
            answers = connection.send_packed_commands(pipeline, 0, count) => answers,
        };
        line.heard.store(millis(self.begun.elapsed()), Relaxed);
        let failed = match answers {
            Ok(answers) => match answers.iter().find_map(refusal) {
                None => return Ok(answers),
                Some(refusal) => refusal,
            },
            Err(error) => error.to_string(),
        };
        self.fail(failed);
        Err(Disconnected)
    }

    /// Adds the call of a script to a pipeline.
    pub fn call<'a>(
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

    /// Runs one script on the server of its first key.
    pub async fn run(
        &self,
        script: Script,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Value, Disconnected> {
        let mut pipeline = redis::pipe();
        self.call(&mut pipeline, script, keys, arguments);
        let line = keys.first().map_or(0, |key| self.line_of(key));
        self.send(line, &pipeline).await?.pop().ok_or(Disconnected)
    }

    /// Ends this life.
    pub fn fail(&self, reason: impl Display) {
        let _ = self.reason.set(reason.to_string());
        self.broken.cancel();
    }

    /// Resolves when this life has ended.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Why it ended.
    pub fn reason(&self) -> &str {
        self.reason
            .get()
            .map_or("too much came at once", String::as_str)
    }

    /// How long the server that has been silent longest has been silent.
    pub fn silence(&self) -> Duration {
        let heard = self
            .lines
            .iter()
            .map(|line| line.heard.load(Relaxed))
            .min()
            .unwrap_or(0);
        self.begun
            .elapsed()
            .saturating_sub(Duration::from_millis(heard))
    }

    /// Forgives the silence so far: the node itself was asleep.
    pub fn forgive(&self) {
        for line in &self.lines {
            line.heard.store(millis(self.begun.elapsed()), Relaxed);
        }
    }
}

/// Whether a Redis can be reached, and takes the login; in one line why not.
pub async fn look(target: &Target) -> Result<(), String> {
    Connections::open(target, 0, 0, LOOK)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn refusal(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => Some(error.to_string()),
        _ => None,
    }
}

fn late<E>(_: E) -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

async fn connect(
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
    patience: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    // Whether answers come in time is judged by silence, over everything that a connection says.
    let config = config
        .set_response_timeout(None)
        .set_connection_timeout(Some(patience))
        .set_pipeline_buffer_size(1024);
    let client = Client::open(info)?;
    timeout(
        patience,
        client.get_multiplexed_async_connection_with_config(&config),
    )
    .await
    .map_err(late)?
}

/// The servers to connect to, and which has what.
async fn servers(
    target: &Target,
    patience: Duration,
) -> Result<(Vec<ConnectionInfo>, Option<SlotMap>), RedisError> {
    if !target.cluster {
        return Ok((target.seeds.clone(), None));
    }
    let mut failed = None;
    for seed in &target.seeds {
        match ask_slots(seed, patience).await {
            Ok(slots) => {
                let servers = slots
                    .servers
                    .iter()
                    .map(|(host, port)| target::at(seed, host, *port))
                    .collect();
                return Ok((servers, Some(slots)));
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| late(())))
}

async fn ask_slots(seed: &ConnectionInfo, patience: Duration) -> Result<SlotMap, RedisError> {
    let mut connection = connect(seed.clone(), AsyncConnectionConfig::new(), patience).await?;
    let ask = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
    let answer: Value = timeout(patience, ask.query_async(&mut connection))
        .await
        .map_err(late)??;
    SlotMap::read(&answer, target::host(seed)).ok_or_else(|| {
        RedisError::from((
            redis::ErrorKind::Client,
            "the cluster does not say who has every slot",
        ))
    })
}
