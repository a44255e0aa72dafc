//! What a node does in the mesh, life after life.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::incarnation::Incarnation;
use super::node::RedisNode;
use crate::core::hub::Hub;
use crate::outbound::redis::bus::Change;
use crate::outbound::redis::connection::{Connections, Disconnected};

/// How long to wait before Redis is tried again, first and at most.
const RETRY: Duration = Duration::from_millis(100);
const MOST_RETRY: Duration = Duration::from_secs(1);

/// How long a node that stops may take to say its last.
const FAREWELL: Duration = Duration::from_secs(2);

impl RedisNode {
    /// Connects, takes part, and begins again whenever that fails, until `stop`; then says its last. What
    /// arrives is delivered corked by `hub`.
    pub async fn run(self: Arc<Self>, hub: Arc<Hub>, stop: CancellationToken) {
        let mut former = Vec::new();
        let mut wait = RETRY;
        for number in 1.. {
            let begun = Instant::now();
            match self.live(number, &hub, &mut former, &stop).await {
                Ok(()) => return,
                Err(reason) => self.say_away(&reason),
            }
            if begun.elapsed() > MOST_RETRY {
                wait = RETRY;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(wait) => wait = (wait * 2).min(MOST_RETRY),
            }
        }
    }

    fn say_away(&self, reason: &str) {
        if self.set_up(false) {
            tracing::error!(
                reason,
                redis = self.options.target.describe(),
                "the other nodes cannot be heard: this one serves its own clients alone until Redis is back"
            );
        } else {
            tracing::debug!(reason, "Redis is still away");
        }
    }

    /// One life. `Ok`: it ended because the node stops.
    async fn live(
        self: &Arc<Self>,
        number: u64,
        hub: &Hub,
        former: &mut Vec<String>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let opened = Connections::open(
            &self.options.target,
            self.options.process,
            number,
            self.patience(),
        );
        let (session, pushed) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = opened => opened.map_err(|error: RedisError| error.to_string())?,
        };
        let session = Arc::new(session);
        let hear = Arc::clone(self).hear(Arc::clone(&session), pushed);
        let hearing = tokio::spawn(hub.cork(hear));
        let mut work = JoinSet::new();
        let ended = tokio::select! {
            biased;
            () = session.broken() => Err(Disconnected),
            ended = self.take_part(&session, former, &mut work, stop) => ended,
        };
        let reason = session.reason().to_owned();
        session.fail("over");
        work.shutdown().await;
        // What came before the end is taken in, so that what has not come by now never will.
        let _ = hearing.await;
        self.boards().fall();
        if let Some(census) = self.census() {
            census.fall();
        }
        self.topics.fall();
        *self.route.write() = None;
        for waited in self.outgoing.fall(&*self.sink()) {
            self.measure(waited, true);
        }
        ended.map_err(|Disconnected| reason)
    }

    async fn take_part(
        self: &Arc<Self>,
        session: &Arc<Connections>,
        former: &mut Vec<String>,
        work: &mut JoinSet<Result<(), Disconnected>>,
        stop: &CancellationToken,
    ) -> Result<(), Disconnected> {
        let (mesh, watched) = (Arc::clone(self), Arc::clone(session));
        work.spawn(async move { mesh.watch_silence(&watched).await });
        self.listen(session).await?;
        *self.route.write() = Some(Arc::clone(session));
        self.outgoing.rise(|topic| session.line_of(topic));
        let (mesh, sender) = (Arc::clone(self), Arc::clone(session));
        work.spawn(async move { mesh.keep_sending(&sender).await });
        let (mesh, listener) = (Arc::clone(self), Arc::clone(session));
        work.spawn(async move { mesh.keep_listening(&listener).await });
        self.sink().resumed();

        self.enter(session).await?;
        let life = Arc::new(Incarnation::new(Arc::clone(session), former.clone()));
        // Whatever goes wrong from here on, this life may have left something.
        former.push(session.life.clone());
        let (mesh, noting) = (Arc::clone(self), Arc::clone(&life));
        work.spawn(async move { noting.keep_noting(&mesh.names).await });
        self.boards().rise(&life);
        let (mesh, living) = (Arc::clone(self), Arc::clone(&life));
        work.spawn(async move { mesh.keep_alive(&living).await });
        let (mesh, clearing) = (Arc::clone(self), Arc::clone(&life));
        work.spawn(async move { mesh.keep_clearing(&clearing).await });
        let (mesh, fresh) = (Arc::clone(self), Arc::clone(&life));
        work.spawn(async move { mesh.boards().keep_fresh(&fresh, &*mesh.sink()).await });
        if let Some(census) = self.census() {
            let counting = Arc::clone(&life);
            work.spawn(async move { census.take_part(&counting).await });
        }
        self.boards().recover(&life, &*self.sink()).await?;
        self.retire(session, &life.former).await?;
        former.retain(|known| !life.former.contains(known));
        if self.set_up(true) {
            tracing::info!(
                redis = self.options.target.describe(),
                "this node and the others hear each other"
            );
        }
        stop.cancelled().await;
        self.leave(session).await;
        Ok(())
    }

    /// Says the last of this node, and ends its life in the register.
    async fn leave(&self, session: &Connections) {
        let farewell = async {
            while !self.outgoing.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            let _ = self
                .retire(session, std::slice::from_ref(&session.life))
                .await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    /// Listens on everything that this node needs.
    async fn listen(&self, session: &Connections) -> Result<(), Disconnected> {
        self.subscribe(
            session,
            [self.names.everybody()]
                .into_iter()
                .chain(self.echoes(session))
                .map(|topic| (topic, true)),
        )
        .await?;
        self.topics.rise();
        while let Some(changes) = self.topics.try_next() {
            self.change(session, changes).await?;
        }
        Ok(())
    }

    async fn keep_listening(&self, session: &Connections) -> Result<(), Disconnected> {
        loop {
            let changes = self.topics.next().await;
            self.change(session, changes).await?;
        }
    }

    async fn change(
        &self,
        session: &Connections,
        changes: Vec<Change>,
    ) -> Result<(), Disconnected> {
        let topics = changes.iter().map(|change| {
            (
                self.names.topic(&change.app, change.channel.as_str()),
                change.listen,
            )
        });
        self.subscribe(session, topics).await?;
        for change in &changes {
            self.topics.confirmed(change);
        }
        Ok(())
    }

    /// Changes subscriptions, in order, and waits until Redis has confirmed them all.
    async fn subscribe(
        &self,
        session: &Connections,
        topics: impl Iterator<Item = (String, bool)>,
    ) -> Result<(), Disconnected> {
        let (on, off) = if session.is_sharded() {
            ("SSUBSCRIBE", "SUNSUBSCRIBE")
        } else {
            ("SUBSCRIBE", "UNSUBSCRIBE")
        };
        let mut pipelines = vec![redis::pipe(); session.lines()];
        for (topic, listen) in topics {
            if let Some(pipeline) = pipelines.get_mut(session.line_of(&topic)) {
                pipeline.cmd(if listen { on } else { off }).arg(topic);
            }
        }
        for (line, pipeline) in pipelines.iter().enumerate() {
            for answer in session.send(line, pipeline).await? {
                if !matches!(answer, Value::Push { .. }) {
                    session.fail("a subscription was answered strangely");
                    return Err(Disconnected);
                }
            }
        }
        Ok(())
    }

    /// Sends what this node publishes, what has gathered at a time.
    async fn keep_sending(&self, session: &Connections) -> Result<(), Disconnected> {
        loop {
            let batch = self.outgoing.next().await;
            let mut pipelines = vec![redis::pipe(); session.lines()];
            for outbound in &batch {
                if let (Some(pipeline), Some(text)) = (
                    pipelines.get_mut(outbound.line),
                    outbound.text(self.options.process),
                ) {
                    pipeline
                        .cmd(session.publish_command())
                        .arg(&outbound.topic)
                        .arg(text);
                }
            }
            let sending = pipelines
                .iter()
                .enumerate()
                .map(|(line, pipeline)| session.send(line, pipeline));
            futures_util::future::try_join_all(sending).await?;
            self.outgoing.taken();
        }
    }

    /// Ends the session when a server says nothing for too long. Something always must come: the node hears itself.
    async fn watch_silence(&self, session: &Connections) -> Result<(), Disconnected> {
        let beat = self.beat();
        loop {
            let before = Instant::now();
            sleep(beat).await;
            if before.elapsed() > beat * 3 {
                // It was this process that was asleep: what Redis said meanwhile has not been read yet.
                session.forgive();
            } else if session.silence() > self.patience() {
                session.fail("Redis does not answer");
                return Err(Disconnected);
            }
            for (line, topic) in self.echoes(session).enumerate() {
                self.outgoing.echo(topic, line);
            }
        }
    }

    /// For each server a topic that it has and only this node listens on.
    fn echoes(&self, session: &Connections) -> impl Iterator<Item = String> {
        (0..session.lines()).map(|line| {
            let mut salts = (0..).map(|salt| self.names.echo(self.options.process, salt));
            salts
                .find(|topic| session.line_of(topic) == line)
                .unwrap_or_default()
        })
    }
}
