//! `pushi-bench presence`: the cost of joins to a presence channel.

use std::time::{Duration, Instant};

use crate::clients::{Client, ClientPool, FrameHandler, POLL_INTERVAL};
use crate::error::BenchError;
use crate::measure::process::{own_usage, usage};
use crate::measure::progress::Progress;
use crate::measure::report::{Report, Unit};
use crate::target::TargetArgs;

/// After this time without a `member_added` frame, all of them are taken as delivered.
const QUIET_TIME: Duration = Duration::from_millis(150);

/// How far from the start of a frame its event name is searched, in bytes.
const EVENT_NAME_WITHIN: usize = 40;

/// Join members to a presence channel, then further ones one by one: cost of a member list
///
/// All members have `peer: true`. Every join is announced to every member, so the server sends many
/// more frames than there are joins.
#[derive(clap::Args)]
pub(crate) struct Presence {
    /// Number of members
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    members: u32,
    /// Further joins, one at a time, once all members have joined
    #[arg(long, default_value_t = 20, value_name = "N")]
    late: u32,
    /// Number of the first member; runs against several nodes need different ones to have different
    /// users
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000), value_name = "N")]
    first: u32,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Counts `member_added` frames.
struct JoinCounter(u64);

impl FrameHandler for JoinCounter {
    fn on_frame(&mut self, payload: &[u8], _now: u64) -> bool {
        let start = payload.get(..EVENT_NAME_WITHIN).unwrap_or(payload);
        let is_join = start.windows(12).any(|window| window == b"member_added");
        self.0 += u64::from(is_join);
        is_join
    }

    fn on_response(&mut self, _connection: usize, _status: u16, _now: u64) {}
}

impl Presence {
    /// # Errors
    ///
    /// The target is invalid, or no client connected.
    pub(crate) async fn run(&self) -> Result<Report, BenchError> {
        let target = self.target.target(None, true).await?;
        let mut pool = ClientPool::new(target, vec!["presence-bench".to_owned()])?;
        pool.clients
            .extend((0..self.members).map(|number| self.member(number)));
        tokio::task::block_in_place(|| self.measure(pool))
    }

    fn member(&self, number: u32) -> Client {
        Client::new(vec![0], usize::try_from(self.first + number).ok())
    }

    fn measure(&self, mut pool: ClientPool) -> Result<Report, BenchError> {
        let mut progress = Progress::new();
        let mut joins = JoinCounter(0);
        let mut report = Report::default();
        report.text("command", "bench", "presence");
        report.text("url", "server", &pool.target.url);
        self.join_all(&mut pool, &mut joins, &mut progress, &mut report)?;
        pool.stats.connect_times.clear();
        pool.stats.subscribe_times.clear();
        self.wait_until_quiet(&mut pool, &mut joins)?;
        self.join_late(&mut pool, &mut joins, &mut progress, &mut report)?;
        report.count("arrivals", "members announced", joins.0);
        pool.stats.report(&mut report);
        Ok(report)
    }

    /// Joins all members as fast as possible.
    fn join_all(
        &self,
        pool: &mut ClientPool,
        joins: &mut JoinCounter,
        progress: &mut Progress,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        let server_usage = || self.target.pid.and_then(usage);
        let (server_before, own_before, started) = (server_usage(), own_usage(), pool.now());
        let args = &self.target;
        pool.connect_all(joins, args.in_flight, args.patience, progress)?;
        let elapsed = (pool.now() - started) as f64 / 1e9;
        let (server_after, own_after) = (server_usage(), own_usage());
        let joined = pool.stats.connect_times.count();
        report.count("members", "members", joined);
        report.figure("join_s", "until all joined", Unit::Seconds, elapsed);
        report.figure(
            "joins_per_s",
            "joins per second",
            Unit::Count,
            joined as f64 / elapsed,
        );
        report.latencies("join", "connect to joined", &pool.stats.connect_times);
        report.server_usage(server_before, server_after, elapsed, ("join", joined));
        report.generator_usage(own_before, own_after, elapsed);
        Ok(())
    }

    /// Joins further members one by one.
    fn join_late(
        &self,
        pool: &mut ClientPool,
        joins: &mut JoinCounter,
        progress: &mut Progress,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        let server_usage = || self.target.pid.and_then(usage);
        let (bytes_before, server_before) = (pool.stats.bytes, server_usage());
        for late in 0..self.late {
            pool.clients.push(self.member(self.members + late));
            pool.connect_all(joins, 1, self.target.patience, progress)?;
            self.wait_until_quiet(pool, joins)?;
        }
        let server_after = server_usage();
        progress.finish();
        report.latencies(
            "late",
            "late join, connect to joined",
            &pool.stats.connect_times,
        );
        report.latencies(
            "late_join",
            "late join, established to joined",
            &pool.stats.subscribe_times,
        );
        let late = pool.stats.connect_times.count();
        if let (Some(before), Some(after)) = (server_before, server_after) {
            report.figure(
                "server_us_per_late_join",
                "server, µs per late join",
                Unit::Ratio,
                (after.cpu - before.cpu) * 1e6 / late as f64,
            );
        }
        report.figure(
            "bytes_per_late_join",
            "bytes received per late join",
            Unit::Bytes,
            (pool.stats.bytes - bytes_before) as f64 / late as f64,
        );
        Ok(())
    }

    /// Waits until all joins are announced, so that the next join is measured alone.
    fn wait_until_quiet(
        &self,
        pool: &mut ClientPool,
        joins: &mut JoinCounter,
    ) -> Result<(), BenchError> {
        let deadline = Instant::now() + self.target.patience;
        let mut last_join = Instant::now();
        while last_join.elapsed() < QUIET_TIME && Instant::now() < deadline {
            let before = joins.0;
            pool.poll(joins, POLL_INTERVAL)?;
            if joins.0 > before {
                last_join = Instant::now();
            }
        }
        Ok(())
    }
}
