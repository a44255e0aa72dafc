//! `pushi bench storm`: everybody comes back at once.

use std::time::{Duration, Instant};

use super::aim::{Aim, seconds};
use super::crowd::{Crowd, Socket, Stage};
use super::measure::machine::{own, usage};
use super::measure::progress::Progress;
use super::measure::report::{Report, Unit};
use super::measure::times::Times;
use crate::cli::failure::Failure;

/// Connect clients, cut them all off, and let all come back at once: how long that takes
///
/// Who is turned away comes again after --retry, as clients do, except after a close code from 4000 to 4099, which tells them
/// to stay away.
#[derive(clap::Args)]
pub struct Storm {
    /// Clients
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    connections: u32,
    /// How long one waits that was turned away
    #[arg(long, default_value = "1", value_parser = seconds, value_name = "S")]
    retry: Duration,
    #[command(flatten)]
    pub aim: Aim,
}

impl Storm {
    pub async fn run(&self) -> Result<Report, Failure> {
        let target = self.aim.target(None, false).await?;
        let mut crowd = Crowd::new(target, vec!["bench".to_owned()])?;
        crowd
            .sockets
            .extend((0..self.connections).map(|_| Socket::new(vec![0], None)));
        tokio::task::block_in_place(|| self.blow(crowd))
    }

    fn blow(&self, mut crowd: Crowd) -> Result<Report, Failure> {
        let mut progress = Progress::new();
        self.arrive(&mut crowd, self.aim.in_flight, &mut progress)?;
        let all = crowd.tally.ready;
        if all == 0 {
            progress.end();
            let why = crowd
                .tally
                .first_error
                .clone()
                .unwrap_or_else(|| "it did not answer in time".to_owned());
            return Err(Failure::Command(format!(
                "{}: nobody got in: {why}",
                crowd.target.url
            )));
        }
        for index in 0..crowd.sockets.len() {
            crowd.cut(index);
        }
        crowd.tally.refused.clear();
        let before = (self.aim.pid.and_then(usage), own());
        let begun = Instant::now();
        let back = self.arrive(&mut crowd, usize::MAX, &mut progress)?;
        let took = begun.elapsed().as_secs_f64();
        let after = (self.aim.pid.and_then(usage), own());
        progress.end();
        let mut report = Report::default();
        report.text("command", "bench", "storm");
        report.text("url", "server", &crowd.target.url);
        report.count("connections", "clients", self.connections);
        report.count("back", "came back", crowd.tally.ready);
        report.figure("back_s", "until all were back", Unit::Seconds, took);
        report.count(
            "turned_away",
            "turned away, and came again",
            crowd.tally.refusals(),
        );
        report.times("back", "cut off to back", &back);
        report.cost(
            before.0,
            after.0,
            took,
            ("connect", crowd.tally.ready as u64),
        );
        report.generator(before.1, after.1, took);
        crowd.tally.report(&mut report);
        Ok(report)
    }

    /// Lets all in, so many at once; who is turned away comes again. Answers when each was in, counted from the beginning.
    fn arrive(
        &self,
        crowd: &mut Crowd,
        in_flight: usize,
        progress: &mut Progress,
    ) -> Result<Times, Failure> {
        let mut times = Times::new().ok_or_else(|| Failure::command("there is no histogram"))?;
        crowd.allow_files()?;
        progress.step("arriving", crowd.sockets.len() as u64);
        crowd.tally.ended.clear();
        let begun = crowd.now();
        let until = begun.saturating_add(nanoseconds(self.aim.patience));
        let mut due: std::collections::VecDeque<(u64, usize)> = (0..crowd.sockets.len())
            .map(|index| (begun, index))
            .collect();
        let mut seen = 0;
        loop {
            let now = crowd.now();
            while crowd.tally.opening < in_flight.max(1)
                && due.front().is_some_and(|(at, _)| *at <= now)
            {
                if let Some((_, index)) = due.pop_front() {
                    crowd.open(index);
                    // A crowd that opens must read too: the first are answered while the last still knock.
                    if index % 256 == 255 {
                        crowd.turn(&mut (), Duration::ZERO)?;
                    }
                }
            }
            let wait = due
                .front()
                .map_or(20, |(at, _)| at.saturating_sub(now) / 1_000_000)
                .min(20);
            crowd.turn(&mut (), Duration::from_millis(wait))?;
            let now = crowd.now();
            for (index, code) in std::mem::take(&mut crowd.tally.ended) {
                if !(4000..4100).contains(&code) && crowd.sockets[index].stage == Stage::Out {
                    due.push_back((now.saturating_add(nanoseconds(self.retry)), index));
                }
            }
            (seen..crowd.tally.ready).for_each(|_| times.note(now - begun));
            seen = seen.max(crowd.tally.ready);
            progress.at(|| seen as u64);
            if due.is_empty() && crowd.tally.opening == 0 || now >= until {
                return Ok(times);
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
