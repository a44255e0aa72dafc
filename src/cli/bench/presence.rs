//! `pushi bench presence`: members who come.

use std::time::{Duration, Instant};

use super::aim::Aim;
use super::crowd::{Crowd, Ears, Socket};
use super::measure::machine::{own, usage};
use super::measure::progress::Progress;
use super::measure::report::{Report, Unit};
use crate::cli::failure::Failure;

/// Nobody has heard anything for so long: nothing is on its way any more.
const QUIET: Duration = Duration::from_millis(150);

/// Join members to a presence channel, and then one more: what a member list costs
///
/// All members have `peer: true`. Everybody hears of everybody, so much more is sent than joins are made.
#[derive(clap::Args)]
pub struct Presence {
    /// Members
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    members: u32,
    /// Joins one by one, to a channel with all members on it
    #[arg(long, default_value_t = 20, value_name = "N")]
    late: u32,
    /// The number of the first member, so that a run at another node has other users
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000), value_name = "N")]
    first: u32,
    #[command(flatten)]
    pub aim: Aim,
}

/// Counts who is said to have come.
struct Arrivals(u64);

impl Ears for Arrivals {
    fn heard(&mut self, payload: &[u8], _now: u64) -> bool {
        let front = payload.get(..40).unwrap_or(payload);
        let arrival = front.windows(12).any(|window| window == b"member_added");
        self.0 += u64::from(arrival);
        arrival
    }

    fn answered(&mut self, _post: usize, _status: u16, _now: u64) {}
}

impl Presence {
    pub async fn run(&self) -> Result<Report, Failure> {
        let target = self.aim.target(None, true).await?;
        let mut crowd = Crowd::new(target, vec!["presence-bench".to_owned()])?;
        let member = |number: u32| Socket::new(vec![0], usize::try_from(self.first + number).ok());
        crowd.sockets.extend((0..self.members).map(member));
        tokio::task::block_in_place(|| self.join(crowd, member))
    }

    /// Waits until everybody has heard of everybody: the next join is measured by itself.
    fn settle(&self, crowd: &mut Crowd, arrivals: &mut Arrivals) -> Result<(), Failure> {
        let until = Instant::now() + self.aim.patience;
        let mut heard = Instant::now();
        while heard.elapsed() < QUIET && Instant::now() < until {
            let before = arrivals.0;
            crowd.turn(arrivals, Duration::from_millis(20))?;
            if arrivals.0 > before {
                heard = Instant::now();
            }
        }
        Ok(())
    }

    fn join(&self, mut crowd: Crowd, member: impl Fn(u32) -> Socket) -> Result<Report, Failure> {
        let mut progress = Progress::new();
        let mut arrivals = Arrivals(0);
        let look = || self.aim.pid.and_then(usage);
        let (empty, generator, begun) = (look(), own(), crowd.now());
        crowd.gather_with(
            &mut arrivals,
            self.aim.in_flight,
            self.aim.patience,
            &mut progress,
        )?;
        let took = (crowd.now() - begun) as f64 / 1e9;
        let (full, busy) = (look(), own());
        let joined = crowd.tally.times.count();
        let mut report = Report::default();
        report.text("command", "bench", "presence");
        report.text("url", "server", &crowd.target.url);
        report.count("members", "members", joined);
        report.figure("join_s", "until all were there", Unit::Seconds, took);
        report.figure(
            "joins_per_s",
            "joins a second",
            Unit::Count,
            joined as f64 / took,
        );
        report.times("join", "connect to joined", &crowd.tally.times);
        report.cost(empty, full, took, ("join", joined));
        report.generator(generator, busy, took);
        crowd.tally.times.clear();
        crowd.tally.joins.clear();
        self.settle(&mut crowd, &mut arrivals)?;
        let (bytes, before) = (crowd.tally.bytes, look());
        for late in 0..self.late {
            crowd.sockets.push(member(self.members + late));
            crowd.gather_with(&mut arrivals, 1, self.aim.patience, &mut progress)?;
            self.settle(&mut crowd, &mut arrivals)?;
        }
        let after = look();
        progress.end();
        report.times("late", "one more, connect to joined", &crowd.tally.times);
        report.times(
            "late_join",
            "one more, greeted to joined",
            &crowd.tally.joins,
        );
        let late = crowd.tally.times.count();
        if let (Some(before), Some(after)) = (before, after) {
            report.figure(
                "server_us_per_late_join",
                "server, µs per join of one more",
                Unit::Ratio,
                (after.cpu - before.cpu) * 1e6 / late as f64,
            );
        }
        report.figure(
            "bytes_per_late_join",
            "bytes sent for one more",
            Unit::Bytes,
            (crowd.tally.bytes - bytes) as f64 / late as f64,
        );
        report.count("arrivals", "members announced", arrivals.0);
        crowd.tally.report(&mut report);
        Ok(report)
    }
}
