//! The phases of a run that publish or wait: warm-up, measurement, drain.

use std::time::{Duration, Instant};

use super::{ActiveRun, Pacing};
use crate::clients::POLL_INTERVAL;
use crate::error::BenchError;
use crate::measure::process::{ProcessUsage, own_usage, usage};

/// The counters at the end of the measurement phase.
pub(super) struct Measurement {
    pub(super) seconds: f64,
    pub(super) delivered: u64,
    pub(super) complete: u64,
    /// The server's usage at start and end; `None`: unknown.
    pub(super) server: [Option<ProcessUsage>; 2],
    /// The generator's usage at start and end.
    pub(super) generator: [ProcessUsage; 2],
}

/// The point from which a pacing counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct PacingStart {
    /// Nanoseconds of the pool's clock.
    pub(super) time: u64,
    /// The number of publishes before.
    pub(super) published: usize,
}

impl ActiveRun<'_> {
    /// Publishes the events that are not measured. Fails where none arrives, with the reason of the
    /// server.
    pub(super) fn warm_up(&mut self) -> Result<(), BenchError> {
        let pacing = match self.config.pacing {
            Pacing::Rate(_) => Pacing::Window(1),
            window => window,
        };
        let start = PacingStart {
            time: 0,
            published: 0,
        };
        let count = self.config.workload.warm_up as usize;
        self.progress.start_phase("warming up", count as u64);
        self.tracker.last_arrival = self.pool.now();
        let deadline = Instant::now() + self.config.target.patience;
        while (self.published < count || self.tracker.outstanding > 0)
            && !self.is_stuck()
            && Instant::now() < deadline
        {
            self.publish_due(pacing, start, count)?;
            self.pool.poll(&mut self.tracker, POLL_INTERVAL)?;
        }
        if count > 0 && (self.tracker.complete == 0 || !self.tracker.failed.is_empty()) {
            self.progress.finish();
            return Err(self.not_delivered());
        }
        self.tracker.reset();
        Ok(())
    }

    fn not_delivered(&self) -> BenchError {
        let status = self.tracker.failed.keys().next();
        let status = status.map(|status| format!("a publish was answered with status {status}"));
        let reason = self.pool.stats.first_error.clone().or(status);
        let reason = reason.unwrap_or_else(|| "the server gave no reason".to_owned());
        BenchError::Run(format!(
            "{}: published events did not arrive: {reason}",
            self.pool.target.url
        ))
    }

    /// Publishes until the time or the limit of events is reached.
    pub(super) fn measure(&mut self) -> Result<Measurement, BenchError> {
        let (workload, pid) = (self.config.workload, self.config.target.pid);
        self.progress.start_phase(
            "measuring",
            u64::try_from(workload.seconds.as_millis()).unwrap_or(u64::MAX),
        );
        let (server, generator) = (pid.and_then(usage), own_usage());
        let start = PacingStart {
            time: self.pool.now(),
            published: self.published,
        };
        let duration = u64::try_from(workload.seconds.as_nanos()).unwrap_or(u64::MAX);
        let deadline = start.time.saturating_add(duration);
        let limit = start.published + workload.messages as usize;
        self.tracker.last_arrival = start.time;
        loop {
            let now = self.pool.now();
            let finished = self.published >= limit && self.tracker.outstanding == 0;
            if now >= deadline || finished || self.is_stuck() {
                break;
            }
            self.progress.update(|| (now - start.time) / 1_000_000);
            let wait = self.publish_due(self.config.pacing, start, limit)?;
            let wait = wait.min(Duration::from_nanos(deadline - now));
            self.pool.poll(&mut self.tracker, wait)?;
        }
        Ok(Measurement {
            seconds: (self.pool.now() - start.time) as f64 / 1e9,
            delivered: self.tracker.delivered,
            complete: self.tracker.complete,
            server: [server, pid.and_then(usage)],
            generator: [generator, own_usage()],
        })
    }

    /// Waits for outstanding deliveries and returns how many are lost.
    pub(super) fn drain(&mut self) -> Result<u64, BenchError> {
        let outstanding = self.tracker.outstanding as u64;
        self.progress.start_phase("draining", outstanding);
        self.tracker.last_arrival = self.pool.now();
        while self.tracker.outstanding > 0 && !self.is_stuck() {
            self.pool.poll(&mut self.tracker, POLL_INTERVAL)?;
        }
        Ok(self.tracker.missing())
    }

    /// Whether nothing arrived for the drain time although events are outstanding, or all HTTP
    /// connections are closed.
    fn is_stuck(&self) -> bool {
        let idle = self.pool.now().saturating_sub(self.tracker.last_arrival);
        let connections = &self.pool.http_connections;
        self.tracker.outstanding > 0 && Duration::from_nanos(idle) > self.config.workload.drain
            || !connections.is_empty()
                && connections.iter().all(|connection| connection.is_closed())
    }
}
