//! `pushi-bench storm`: all clients reconnect at once.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::clients::{Client, ClientPool, ClientState, POLL_INTERVAL};
use crate::error::BenchError;
use crate::measure::histogram::LatencyHistogram;
use crate::measure::process::{own_usage, usage};
use crate::measure::progress::Progress;
use crate::measure::report::{Report, Unit};
use crate::target::{TargetArgs, seconds};

/// The close codes after which clients must not reconnect (Pusher protocol).
const DO_NOT_RECONNECT: Range<u16> = 4000..4100;

/// After this many connects without a poll, the pool polls once.
const CONNECTS_PER_POLL: usize = 256;

/// Connect clients, abort all connections and reconnect all at once: time until all are connected
///
/// A rejected client retries after --retry, as client libraries do, except after a close code from
/// 4000 to 4099, which forbids it.
#[derive(clap::Args)]
pub(crate) struct Storm {
    /// Number of clients
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    connections: u32,
    /// Delay before a rejected client retries
    #[arg(long, default_value = "1", value_parser = seconds, value_name = "S")]
    retry: Duration,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

impl Storm {
    /// # Errors
    ///
    /// The target is invalid, or no client connected.
    pub(crate) async fn run(&self) -> Result<Report, BenchError> {
        let target = self.target.target(None, false).await?;
        let mut pool = ClientPool::new(target, vec!["bench".to_owned()])?;
        pool.clients
            .extend((0..self.connections).map(|_| Client::new(vec![0], None)));
        tokio::task::block_in_place(|| self.measure(pool))
    }

    fn measure(&self, mut pool: ClientPool) -> Result<Report, BenchError> {
        let mut progress = Progress::new();
        self.connect_all(&mut pool, self.target.in_flight, &mut progress)?;
        if pool.stats.ready == 0 {
            progress.finish();
            return Err(pool.no_client_connected());
        }
        for index in 0..pool.clients.len() {
            pool.abort(index);
        }
        pool.stats.refused.clear();
        let (server_before, own_before) = (self.target.pid.and_then(usage), own_usage());
        let started = Instant::now();
        let times = self.connect_all(&mut pool, usize::MAX, &mut progress)?;
        let elapsed = started.elapsed().as_secs_f64();
        let (server_after, own_after) = (self.target.pid.and_then(usage), own_usage());
        progress.finish();
        let mut report = Report::default();
        report.text("command", "bench", "storm");
        report.text("url", "server", &pool.target.url);
        report.count("connections", "clients", self.connections);
        report.count("back", "reconnected", pool.stats.ready);
        report.figure("back_s", "until all reconnected", Unit::Seconds, elapsed);
        report.count("turned_away", "rejected attempts", pool.stats.refusals());
        report.latencies("back", "abort to reconnected", &times);
        report.server_usage(
            server_before,
            server_after,
            elapsed,
            ("connect", pool.stats.ready as u64),
        );
        report.generator_usage(own_before, own_after, elapsed);
        pool.stats.report(&mut report);
        Ok(report)
    }

    /// Connects all clients, at most `in_flight` at a time, with retries. Returns the times from
    /// the start of this call until each client was ready.
    fn connect_all(
        &self,
        pool: &mut ClientPool,
        in_flight: usize,
        progress: &mut Progress,
    ) -> Result<LatencyHistogram, BenchError> {
        let mut times = LatencyHistogram::new()?;
        pool.raise_file_limit()?;
        progress.start_phase("connecting", pool.clients.len() as u64);
        pool.stats.ended.clear();
        let started = pool.now();
        let deadline = started.saturating_add(nanoseconds(self.target.patience));
        // When to connect which client, in order of time.
        let mut due: VecDeque<(u64, usize)> = (0..pool.clients.len())
            .map(|index| (started, index))
            .collect();
        let mut ready = 0;
        loop {
            let now = pool.now();
            while pool.stats.opening < in_flight.max(1)
                && let Some((_, index)) = due.pop_front_if(|(at, _)| *at <= now)
            {
                pool.connect(index);
                // The first clients are answered while the last ones still connect.
                if index % CONNECTS_PER_POLL == CONNECTS_PER_POLL - 1 {
                    pool.poll(&mut (), Duration::ZERO)?;
                }
            }
            let wait = due.front().map_or(POLL_INTERVAL, |(at, _)| {
                Duration::from_millis(at.saturating_sub(now) / 1_000_000)
            });
            pool.poll(&mut (), wait.min(POLL_INTERVAL))?;
            let now = pool.now();
            for (index, code) in std::mem::take(&mut pool.stats.ended) {
                if !DO_NOT_RECONNECT.contains(&code)
                    && pool.clients[index].state == ClientState::Disconnected
                {
                    due.push_back((now.saturating_add(nanoseconds(self.retry)), index));
                }
            }
            (ready..pool.stats.ready).for_each(|_| times.record(now - started));
            ready = ready.max(pool.stats.ready);
            progress.update(|| ready as u64);
            if due.is_empty() && pool.stats.opening == 0 || now >= deadline {
                return Ok(times);
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
