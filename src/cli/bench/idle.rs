//! `pushi bench idle`: connections that do nothing.

use std::time::{Duration, Instant};

use super::aim::{Aim, seconds};
use super::crowd::{Crowd, Socket};
use super::measure::machine::{own, usage};
use super::measure::progress::Progress;
use super::measure::report::{Report, Unit};
use crate::cli::failure::Failure;

/// Open connections, subscribe and hold them: what one costs
#[derive(clap::Args)]
pub struct Idle {
    /// Connections
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    connections: u32,
    /// Channels that all are on
    #[arg(long, default_value_t = 1, value_name = "N")]
    channels: u32,
    /// Channels that each is on besides, alone
    #[arg(long, default_value_t = 0, value_name = "N")]
    own_channels: u32,
    /// How long to hold them
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    seconds: Duration,
    #[command(flatten)]
    pub aim: Aim,
}

impl Idle {
    pub async fn run(&self) -> Result<Report, Failure> {
        let target = self.aim.target(None, false).await?;
        let names = (0..self.channels)
            .map(|number| format!("bench-{number}"))
            .collect();
        let mut crowd = Crowd::new(target, names)?;
        for connection in 0..self.connections {
            let mut on: Vec<u32> = (0..self.channels).collect();
            for own in 0..self.own_channels {
                on.push(u32::try_from(crowd.names.len()).unwrap_or(u32::MAX));
                crowd.names.push(format!("bench-own-{connection}-{own}"));
            }
            crowd.sockets.push(Socket::new(on, None));
        }
        tokio::task::block_in_place(|| self.hold(crowd))
    }

    fn hold(&self, mut crowd: Crowd) -> Result<Report, Failure> {
        let mut progress = Progress::new();
        let look = || self.aim.pid.and_then(usage);
        let (empty, generator, begun) = (look(), own(), crowd.now());
        crowd.gather(self.aim.in_flight, self.aim.patience, &mut progress)?;
        let took = (crowd.now() - begun) as f64 / 1e9;
        let (full, busy) = (look(), own());
        progress.step(
            "holding",
            u64::try_from(self.seconds.as_millis()).unwrap_or(u64::MAX),
        );
        let since = Instant::now();
        while let Some(left) = self
            .seconds
            .checked_sub(since.elapsed())
            .filter(|left| !left.is_zero())
        {
            crowd.turn(&mut (), left.min(Duration::from_millis(50)))?;
            progress.at(|| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
        let end = look();
        progress.end();
        let ready = crowd.tally.times.count();
        let mut report = Report::default();
        report.text("command", "bench", "idle");
        report.text("url", "server", &crowd.target.url);
        report.count("connections", "connections", self.connections);
        report.count("ready", "subscribed", ready);
        report.count("held", "still there at the end", crowd.tally.ready);
        report.figure("connect_s", "until all were", Unit::Seconds, took);
        report.figure(
            "connects_per_s",
            "connects a second",
            Unit::Count,
            ready as f64 / took,
        );
        report.times("ready", "connect to subscribed", &crowd.tally.times);
        report.cost(empty, full, took, ("connect", ready));
        if let (Some(empty), Some(full), Some(end)) = (empty, full, end) {
            let more = end.resident as f64 - empty.resident as f64;
            report.figure(
                "server_bytes_per_connection",
                "server memory per connection",
                Unit::Bytes,
                more / ready as f64,
            );
            let places = ready as f64 * (f64::from(self.channels) + f64::from(self.own_channels));
            report.figure(
                "server_bytes_per_subscription",
                "server memory per subscription",
                Unit::Bytes,
                more / places,
            );
            report.figure(
                "server_cpu_idle",
                "server, cores, while idle",
                Unit::Ratio,
                (end.cpu - full.cpu) / self.seconds.as_secs_f64(),
            );
        }
        report.generator(generator, busy, took);
        crowd.tally.report(&mut report);
        Ok(report)
    }
}
