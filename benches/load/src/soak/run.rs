//! The course of a soak: cycles, each with a pause in which everything is counted and measured.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Soak;
use super::back_end::BackEnd;
use super::population::Population;
use super::trend::Trend;
use super::truth::{Counts, differences};
use super::webhook_receiver::WebhookReceiver;
use crate::error::BenchError;
use crate::measure::process::{ProcessState, state};
use crate::measure::report::{Report, Unit};

/// The length of a cycle: it begins with steps and ends with a storm, slow readers and a pause. A run has at least three.
const CYCLE: Duration = Duration::from_secs(20);

/// The part of a cycle that is steps.
const STEPS: f64 = 0.6;

/// The time between two steps.
const STEP: Duration = Duration::from_millis(200);

/// The longest warm-up; a short run has a third of its time.
const WARM_UP: Duration = Duration::from_secs(15 * 60);

/// Growth that says nothing in a short run: bytes, descriptors. In its first six minutes a server with SQLite caches the pages
/// of the events that it keeps, and each connection to the database does its largest query: 3 MiB after the warm-up of a run
/// of five minutes.
const SLACK: (f64, f64) = (8.0 * 1024.0 * 1024.0, 8.0);

const MIB: f64 = 1024.0 * 1024.0;

pub(super) struct SoakRun<'a> {
    population: Population,
    back_end: Arc<BackEnd>,
    receiver: Option<&'a WebhookReceiver>,
    /// The process of the server, if it is on this machine.
    pid: Option<u32>,
    length: Duration,
    cycle: Duration,
    /// The time after which the server must count what is true.
    settle: Duration,
    started: Instant,
    /// Whether lines are left out of the output, which is JSON.
    quiet: bool,
    /// Counted before the run, by others.
    others: Counts,
    /// After the warm-up, with the seconds since the start.
    samples: Vec<(f64, ProcessState)>,
    minute: u64,
    /// Deliveries of earlier minutes.
    delivered: u64,
    longest_lag: u64,
}

impl<'a> SoakRun<'a> {
    pub(super) fn new(
        soak: &Soak,
        population: Population,
        back_end: Arc<BackEnd>,
        receiver: Option<&'a WebhookReceiver>,
        pid: Option<u32>,
    ) -> Self {
        let length = Duration::from_secs_f64(soak.minutes * 60.0);
        Self {
            population,
            back_end,
            receiver,
            pid,
            length,
            cycle: CYCLE.min(length / 3),
            settle: soak.settle,
            started: Instant::now(),
            quiet: soak.target.json,
            others: Counts::new(),
            samples: Vec::new(),
            minute: 0,
            delivered: 0,
            longest_lag: 0,
        }
    }

    /// # Errors
    ///
    /// The server cannot be reached, counts wrongly, or grows.
    pub(super) async fn run(mut self) -> Result<Report, BenchError> {
        if let Some(receiver) = self.receiver {
            self.back_end.set_webhook(Some(&receiver.url)).await?;
        }
        self.others = self.back_end.counts(self.population.presence()).await?;
        tokio::task::block_in_place(|| {
            self.header();
            self.population.connect_all()?;
            while self.started.elapsed() + self.cycle / 2 < self.length {
                self.one_cycle()?;
            }
            self.verdict()
        })
    }

    fn one_cycle(&mut self) -> Result<(), BenchError> {
        let begun = Instant::now();
        self.back_end.set_active(true);
        while begun.elapsed() < self.cycle.mul_f64(STEPS) {
            self.population.step();
            self.population.receive_until(Instant::now() + STEP)?;
        }
        self.population.storm()?;
        self.population.be_slow()?;
        self.back_end.set_active(false);
        self.compare_counts()?;
        self.measure()?;
        self.population.receive_until(begun + self.cycle)
    }

    /// Waits until the server counts what is true.
    fn compare_counts(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + self.settle;
        let runtime = tokio::runtime::Handle::current();
        loop {
            self.population.connect_all()?;
            let counts = self.back_end.counts(self.population.presence());
            let counted = runtime.block_on(counts)?;
            // Clients that have ended meanwhile count as such.
            self.population.receive_until(Instant::now())?;
            let wrong = differences(&self.population.truth(), &counted, &self.others);
            if wrong.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(BenchError::Run(format!(
                    "the server counts {} for {:?}, after {:.0} minutes",
                    wrong.join(", "),
                    self.settle,
                    self.started.elapsed().as_secs_f64() / 60.0
                )));
            }
            let pause = Instant::now() + Duration::from_millis(250);
            self.population.receive_until(pause)?;
        }
    }

    fn measure(&mut self) -> Result<(), BenchError> {
        let elapsed = self.started.elapsed();
        let process = match self.pid {
            None => None,
            Some(pid) => Some(state(pid).ok_or_else(|| {
                BenchError::Run(format!(
                    "process {pid}, the server, has ended or cannot be read"
                ))
            })?),
        };
        if elapsed >= WARM_UP.min(self.length / 3) {
            let sample = process.map(|process| (elapsed.as_secs_f64(), process));
            self.samples.extend(sample);
        }
        if elapsed.as_secs() / 60 > self.minute || elapsed + self.cycle > self.length {
            self.minute = elapsed.as_secs() / 60;
            self.line((elapsed.as_secs_f64() / 60.0).round().max(1.0), process);
            let lag = &mut self.population.deliveries.lag;
            self.delivered += lag.count();
            self.longest_lag = self.longest_lag.max(lag.max());
            lag.clear();
        }
        Ok(())
    }

    /// Waits until a web hook has arrived: in a run of seconds, the first one is on its way.
    fn await_webhooks(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + self.settle;
        let none = |run: &Self| run.receiver.is_some_and(|receiver| receiver.count() == 0);
        while none(self) && Instant::now() < deadline {
            let pause = Instant::now() + Duration::from_millis(100);
            self.population.receive_until(pause)?;
        }
        Ok(())
    }

    fn header(&self) {
        self.print(&format!(
            "{:>6} {:>8} {:>8} {:>8} {:>6} {:>6} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "minute",
            "RSS MiB",
            "PSS MiB",
            "heap MiB",
            "files",
            "tasks",
            "connects",
            "published",
            "reads",
            "delivered",
            "web hooks",
            "p50 ms",
            "max ms"
        ));
        if self.pid.is_none() {
            self.print("the process of the server is not known: give --pid to have it measured");
        }
    }

    fn line(&self, minute: f64, process: Option<ProcessState>) {
        let process = process.map_or_else(
            || format!("{:>8} {:>8} {:>8} {:>6} {:>6}", "-", "-", "-", "-", "-"),
            |process| {
                format!(
                    "{:>8.1} {:>8.1} {:>8.1} {:>6} {:>6}",
                    process.resident as f64 / MIB,
                    process.proportional as f64 / MIB,
                    process.anonymous as f64 / MIB,
                    process.descriptors,
                    process.tasks
                )
            },
        );
        let lag = &self.population.deliveries.lag;
        self.print(&format!(
            "{minute:>6} {process} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9.2} {:>9.2}",
            self.population.connects,
            self.back_end.published.load(Ordering::Relaxed),
            self.back_end.read.load(Ordering::Relaxed),
            self.delivered + lag.count(),
            self.receiver.map_or(0, WebhookReceiver::count),
            lag.quantile(0.5) as f64 / 1000.0,
            lag.max() as f64 / 1000.0
        ));
    }

    fn print(&self, line: &str) {
        if !self.quiet {
            // A closed standard output does not end the run.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    /// The report, or what is wrong.
    fn verdict(&mut self) -> Result<Report, BenchError> {
        self.await_webhooks()?;
        let (closed, refused, reason) = self.population.failures();
        let received = self.receiver.map_or(0, WebhookReceiver::count);
        if self.receiver.is_some() && received == 0 {
            return Err(BenchError::run(
                "no web hook arrived: set PUSHI_WEBHOOK_ALLOW_PRIVATE=1 at the server, or give --no-webhooks",
            ));
        }
        let mut report = Report::default();
        report.text("command", "bench", "soak");
        report.text("url", "server", self.population.url());
        report.figure(
            "minutes",
            "minutes",
            Unit::Ratio,
            self.started.elapsed().as_secs_f64() / 60.0,
        );
        report.count("connects", "connects", self.population.connects);
        report.count("closed", "closed by the server", closed);
        report.count("refused", "refused", refused);
        if let Some(reason) = reason {
            report.text("error", "first error", reason);
        }
        let published = self.back_end.published.load(Ordering::Relaxed);
        report.count("published", "published by the back end", published);
        report.count("delivered", "delivered", self.delivered);
        report.count("webhooks", "events to web hooks", received);
        let longest = self.longest_lag as f64;
        report.figure("lag_max_us", "longest lag", Unit::Micros, longest);
        let Some((_, last)) = self.samples.last() else {
            return Ok(report);
        };
        let bytes = |name: &str, label: &str, bytes: u64, report: &mut Report| {
            report.figure(name, label, Unit::Bytes, bytes as f64);
        };
        bytes("rss_bytes", "server, RSS", last.resident, &mut report);
        bytes("pss_bytes", "server, PSS", last.proportional, &mut report);
        bytes("heap_bytes", "server, heap", last.anonymous, &mut report);
        report.count("descriptors", "server, descriptors", last.descriptors);
        report.count("tasks", "server, tasks", last.tasks);
        // Pages of files are left out of the growth: the kernel reads and drops them as it likes.
        let memory = self.trend(last.proportional, SLACK.0, |process| process.anonymous);
        let descriptors = self.trend(last.descriptors, SLACK.1, |process| process.descriptors);
        let mut grown = Vec::new();
        for (key, label, trend) in [
            ("memory", "memory", memory),
            ("descriptors", "descriptors", descriptors),
        ] {
            let Some(trend) = trend else {
                continue;
            };
            let percent = trend.hourly * 100.0;
            let (key, row) = (format!("{key}_growth"), format!("{label}, % an hour"));
            report.figure(&key, &row, Unit::Ratio, percent);
            if trend.grows() {
                grown.push(format!("{label} by {percent:.1} % an hour"));
            }
        }
        if grown.is_empty() {
            return Ok(report);
        }
        self.print(&report.table());
        Err(BenchError::Run(format!(
            "the server grows after the warm-up: {}",
            grown.join(", ")
        )))
    }

    fn trend(&self, base: u64, slack: f64, figure: impl Fn(&ProcessState) -> u64) -> Option<Trend> {
        let samples: Vec<(f64, f64)> = self
            .samples
            .iter()
            .map(|(time, process)| (*time, figure(process) as f64))
            .collect();
        Trend::of(&samples, base as f64, slack)
    }
}
