//! `pushi-bench idle`: the cost of idle connections.

use std::time::{Duration, Instant};

use crate::clients::{Client, ClientPool};
use crate::error::BenchError;
use crate::measure::process::{own_usage, usage};
use crate::measure::progress::Progress;
use crate::measure::report::{Report, Unit};
use crate::target::{TargetArgs, seconds};

/// Connect, subscribe and stay idle: cost of a connection
#[derive(clap::Args)]
pub(crate) struct Idle {
    /// Number of connections
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    connections: u32,
    /// Channels that every connection subscribes to
    #[arg(long, default_value_t = 1, value_name = "N")]
    channels: u32,
    /// Further channels of each connection, which no other subscribes to
    #[arg(long, default_value_t = 0, value_name = "N")]
    own_channels: u32,
    /// How long to hold the connections
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    seconds: Duration,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

impl Idle {
    /// # Errors
    ///
    /// The target is invalid, or no client connected.
    pub(crate) async fn run(&self) -> Result<Report, BenchError> {
        let target = self.target.target(None, false).await?;
        let names = (0..self.channels)
            .map(|number| format!("bench-{number}"))
            .collect();
        let mut pool = ClientPool::new(target, names)?;
        for connection in 0..self.connections {
            let mut channels: Vec<u32> = (0..self.channels).collect();
            for own in 0..self.own_channels {
                channels.push(u32::try_from(pool.channels.len()).unwrap_or(u32::MAX));
                pool.channels.push(format!("bench-own-{connection}-{own}"));
            }
            pool.clients.push(Client::new(channels, None));
        }
        tokio::task::block_in_place(|| self.measure(pool))
    }

    fn measure(&self, mut pool: ClientPool) -> Result<Report, BenchError> {
        let mut progress = Progress::new();
        let server_usage = || self.target.pid.and_then(usage);
        let (server_before, own_before, started) = (server_usage(), own_usage(), pool.now());
        pool.connect_all(
            &mut (),
            self.target.in_flight,
            self.target.patience,
            &mut progress,
        )?;
        let elapsed = (pool.now() - started) as f64 / 1e9;
        let (server_connected, own_connected) = (server_usage(), own_usage());
        self.hold(&mut pool, &mut progress)?;
        let server_end = server_usage();
        progress.finish();
        let ready = pool.stats.connect_times.count();
        let mut report = Report::default();
        report.text("command", "bench", "idle");
        report.text("url", "server", &pool.target.url);
        report.count("connections", "connections", self.connections);
        report.count("ready", "subscribed", ready);
        report.count("held", "connected at the end", pool.stats.ready);
        report.figure("connect_s", "until all subscribed", Unit::Seconds, elapsed);
        report.figure(
            "connects_per_s",
            "connects per second",
            Unit::Count,
            ready as f64 / elapsed,
        );
        report.latencies("ready", "connect to subscribed", &pool.stats.connect_times);
        report.server_usage(server_before, server_connected, elapsed, ("connect", ready));
        if let (Some(before), Some(connected), Some(end)) =
            (server_before, server_connected, server_end)
        {
            let memory = end.resident as f64 - before.resident as f64;
            report.figure(
                "server_bytes_per_connection",
                "server memory per connection",
                Unit::Bytes,
                memory / ready as f64,
            );
            let subscriptions =
                ready as f64 * (f64::from(self.channels) + f64::from(self.own_channels));
            report.figure(
                "server_bytes_per_subscription",
                "server memory per subscription",
                Unit::Bytes,
                memory / subscriptions,
            );
            report.figure(
                "server_cpu_idle",
                "server, cores, while idle",
                Unit::Ratio,
                (end.cpu - connected.cpu) / self.seconds.as_secs_f64(),
            );
        }
        report.generator_usage(own_before, own_connected, elapsed);
        pool.stats.report(&mut report);
        Ok(report)
    }

    /// Answers pings for the configured time.
    fn hold(&self, pool: &mut ClientPool, progress: &mut Progress) -> Result<(), BenchError> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        progress.start_phase("holding", milliseconds(self.seconds));
        let started = Instant::now();
        while let Some(left) = self
            .seconds
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
        {
            pool.poll(&mut (), left.min(Duration::from_millis(50)))?;
            progress.update(|| milliseconds(started.elapsed()));
        }
        Ok(())
    }
}
