//! The clients of a soak, and what they do.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::back_end::{BackEnd, MARK};
use super::truth::{self, Counts};
use crate::clients::{Client, ClientPool, ClientState, FrameHandler, POLL_INTERVAL};
use crate::error::BenchError;
use crate::measure::histogram::LatencyHistogram;
use crate::protocol::{Dialect, find};
use crate::target::Target;

const PUBLIC_CHANNELS: u32 = 20;

/// The channel of the slow readers.
const SLOW_CHANNEL: &str = "soak-slow";

/// The clients that do not read until the server closes them, once in each cycle.
const SLOW_READERS: usize = 4;

/// One client in so many is a presence member, and joins nothing else. Two of them are the same user.
const MEMBER_EVERY: u32 = 4;

/// The members of a presence channel stay below what the server lists at once.
const CLIENTS_PER_PRESENCE_CHANNEL: u32 = 4000;

/// The mark of an event is near the start of its frame.
const MARK_WITHIN: usize = 512;

/// Clients that connect at the same time.
const IN_FLIGHT: usize = 100;

/// The events that fill the mailbox of a slow reader and the buffers of the kernel: 6 MiB.
const FLOOD: (usize, usize) = (100, 60_000);

/// The time until the server must have closed a slow reader, or connected a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts deliveries and measures how late they are.
pub(super) struct Deliveries {
    back_end: Arc<BackEnd>,
    pub(super) lag: LatencyHistogram,
}

impl FrameHandler for Deliveries {
    fn on_frame(&mut self, payload: &[u8], _now: u64) -> bool {
        let start = payload.get(..MARK_WITHIN).unwrap_or(payload);
        let Some(at) = find(start, MARK.as_bytes()).map(|at| at + MARK.len()) else {
            return false;
        };
        let digits = start.get(at..at + 16);
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(sent) = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            self.lag.record(self.back_end.now().saturating_sub(sent));
        }
        true
    }

    fn on_response(&mut self, _connection: usize, _status: u16, _now: u64) {}
}

/// All clients: those that come and go, then the slow readers.
pub(super) struct Population {
    pool: ClientPool,
    back_end: Arc<BackEnd>,
    pub(super) deliveries: Deliveries,
    /// The subscriptions (client, channel) that clients have ended.
    ended: HashSet<(usize, u32)>,
    slow: Range<usize>,
    presence: Vec<String>,
    /// Selects clients in turn.
    turn: usize,
    /// Connects since the start.
    pub(super) connects: u64,
}

/// The channels to which a back end publishes.
pub(super) fn public_channels() -> Vec<String> {
    (0..PUBLIC_CHANNELS)
        .map(|number| format!("soak-{number}"))
        .collect()
}

impl Population {
    /// # Errors
    ///
    /// The operating system provides no poll.
    pub(super) fn new(
        target: Target,
        connections: u32,
        back_end: Arc<BackEnd>,
    ) -> Result<Self, BenchError> {
        let presence_channels = 4 + connections / CLIENTS_PER_PRESENCE_CHANNEL;
        let presence: Vec<String> = (0..presence_channels)
            .map(|number| format!("presence-soak-{number}"))
            .collect();
        let mut channels = public_channels();
        channels.extend(presence.iter().cloned());
        let slow_channel = PUBLIC_CHANNELS + presence_channels;
        channels.push(SLOW_CHANNEL.to_owned());
        let private = slow_channel + 1;
        channels.push("private-soak".to_owned());
        let mut pool = ClientPool::new(target, channels)?;
        pool.clients.extend((0..connections).map(|number| {
            if number % MEMBER_EVERY == 0 {
                let user = number / MEMBER_EVERY / 2;
                let channel = PUBLIC_CHANNELS + user % presence_channels;
                return Client::new(vec![channel], usize::try_from(user).ok());
            }
            let first = number % PUBLIC_CHANNELS;
            Client::new(vec![first, (first + 7) % PUBLIC_CHANNELS, private], None)
        }));
        let normal = pool.clients.len();
        let slow = (0..SLOW_READERS).map(|_| Client::new(vec![slow_channel], None));
        pool.clients.extend(slow);
        pool.raise_file_limit()?;
        let deliveries = Deliveries {
            back_end: Arc::clone(&back_end),
            lag: LatencyHistogram::new()?,
        };
        Ok(Self {
            slow: normal..pool.clients.len(),
            pool,
            back_end,
            deliveries,
            ended: HashSet::new(),
            presence,
            turn: 0,
            connects: 0,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.pool.target.url
    }

    /// The presence channels.
    pub(super) fn presence(&self) -> &[String] {
        &self.presence
    }

    /// What the server should count now.
    pub(super) fn truth(&self) -> Counts {
        truth::expected(&self.pool.clients, &self.ended)
    }

    /// The number of clients that were closed, or refused, and the first reason.
    pub(super) fn failures(&self) -> (u64, u64, Option<&str>) {
        let stats = &self.pool.stats;
        (
            stats.closed.values().sum(),
            stats.refusals(),
            stats.first_error.as_deref(),
        )
    }

    /// Receives until a time, and connects clients that have ended.
    ///
    /// # Errors
    ///
    /// The poll fails.
    pub(super) fn receive_until(&mut self, end: Instant) -> Result<(), BenchError> {
        loop {
            self.connect_ended();
            let left = end.saturating_duration_since(Instant::now());
            self.pool
                .poll(&mut self.deliveries, left.min(POLL_INTERVAL))?;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Receives until all clients but the slow readers are ready.
    ///
    /// # Errors
    ///
    /// They are not in time.
    pub(super) fn connect_all(&mut self) -> Result<(), BenchError> {
        self.await_ready(0..self.slow.start, "clients")
    }

    /// One step: a connection is lost, a subscription ended or begun, and an event published over a WebSocket.
    pub(super) fn step(&mut self) {
        self.turn += 1;
        let normal = self.slow.start;
        let lost = self.turn * 7 % normal;
        if self.pool.clients[lost].state == ClientState::Ready {
            self.abort(lost);
        }
        let (index, mask) = ((self.turn * 11 + 3) % normal, self.pool.mask);
        let client = &mut self.pool.clients[index];
        if client.state != ClientState::Ready {
            return;
        }
        let channel = client.channels[client.channels.len() / 2];
        let name = &self.pool.channels[channel as usize];
        // A member leaves by ending its connection: it needs its socket id to return.
        if client.member().is_none() {
            let begins = self.ended.remove(&(index, channel));
            if !begins {
                self.ended.insert((index, channel));
            }
            let event = if begins {
                "pusher:subscribe"
            } else {
                "pusher:unsubscribe"
            };
            let frame = json!({"event": event, "data": {"channel": name}}).to_string();
            client.queue(frame.as_bytes(), mask);
        }
        if self.pool.target.protocol.dialect == Dialect::Pushi {
            let first = &self.pool.channels[client.channels[0] as usize];
            let data = self.back_end.marked(100);
            let frame = self.pool.target.protocol.publish(first, &data, false);
            client.queue(frame.as_bytes(), mask);
        }
        client.flush();
    }

    /// Half of the clients are lost, and return at once.
    ///
    /// # Errors
    ///
    /// They are not ready in time.
    pub(super) fn storm(&mut self) -> Result<(), BenchError> {
        self.turn += 1;
        for index in (self.turn % 2..self.slow.start).step_by(2) {
            self.abort(index);
        }
        self.connect_all()
    }

    /// The slow readers connect, do not read what is published, and are closed.
    ///
    /// # Errors
    ///
    /// They are not connected or not closed in time, or the back end cannot publish.
    pub(super) fn be_slow(&mut self) -> Result<(), BenchError> {
        for index in self.slow.clone() {
            self.pool.clients[index].stalled = true;
            self.pool.connect(index);
            self.connects += 1;
        }
        self.await_ready(self.slow.clone(), "slow readers")?;
        let runtime = tokio::runtime::Handle::current();
        for _ in 0..FLOOD.0 {
            let publish = self.back_end.publish(SLOW_CHANNEL, FLOOD.1, false);
            runtime.block_on(publish)?;
            self.receive_until(Instant::now())?;
        }
        let closed = self.pool.drain_stalled(&mut self.deliveries, PATIENCE)?;
        if closed < self.slow.len() {
            return Err(BenchError::Run(format!(
                "{} of {} slow readers were not closed in {PATIENCE:?}",
                self.slow.len() - closed,
                self.slow.len()
            )));
        }
        Ok(())
    }

    fn await_ready(&mut self, clients: Range<usize>, what: &str) -> Result<(), BenchError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.connect_ended();
            let missing = self.pool.clients[clients.clone()]
                .iter()
                .filter(|client| client.state != ClientState::Ready)
                .count();
            if missing == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let reason = self.pool.stats.first_error.clone();
                let reason = reason.unwrap_or_else(|| "no answer".to_owned());
                return Err(BenchError::Run(format!(
                    "{missing} {what} did not connect in {PATIENCE:?}: {reason}"
                )));
            }
            self.pool.poll(&mut self.deliveries, POLL_INTERVAL)?;
        }
    }

    /// Connects all clients that are not connected, slow readers left out.
    fn connect_ended(&mut self) {
        for (index, _) in std::mem::take(&mut self.pool.stats.ended) {
            self.ended.retain(|(client, _)| *client != index);
        }
        for index in 0..self.slow.start {
            if self.pool.stats.opening >= IN_FLIGHT {
                return;
            }
            if self.pool.clients[index].state == ClientState::Disconnected {
                self.pool.connect(index);
                self.connects += 1;
            }
        }
    }

    fn abort(&mut self, index: usize) {
        self.ended.retain(|(client, _)| *client != index);
        self.pool.abort(index);
    }
}
