//! Sending the events that are due.

use std::time::Duration;

use super::assignment::next_publisher;
use super::payload::http_request;
use super::phases::PacingStart;
use super::{ActiveRun, Pacing};
use crate::clients::POLL_INTERVAL;
use crate::error::BenchError;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

impl ActiveRun<'_> {
    /// Publishes all events that are due, up to `limit` in total. Returns how long to wait until
    /// the next one is due.
    pub(super) fn publish_due(
        &mut self,
        pacing: Pacing,
        start: PacingStart,
        limit: usize,
    ) -> Result<Duration, BenchError> {
        let mut used = Vec::new();
        let mut wait = POLL_INTERVAL;
        while self.published < limit {
            let now = self.pool.now();
            let due = match pacing {
                Pacing::Window(size) if self.tracker.outstanding >= size => break,
                Pacing::Window(_) => now,
                Pacing::Rate(rate) => {
                    let nanoseconds = (self.published - start.published) as f64 / rate * 1e9;
                    let due = start.time + nanoseconds as u64;
                    if due > now {
                        wait = poll_timeout(due - now).min(wait);
                        break;
                    }
                    due
                }
            };
            if !self.publish_one(due, now, &mut used) {
                break;
            }
            self.published += 1;
        }
        for client in used {
            self.pool.clients[client].flush();
        }
        Ok(wait)
    }

    /// Publishes one event; `false`: no HTTP connection is idle. Clients whose frames must be
    /// flushed are added to `used`.
    fn publish_one(&mut self, due: u64, now: u64, used: &mut Vec<usize>) -> bool {
        let (publisher, channel) =
            next_publisher(self.published, self.config.publishers, self.expected.len());
        let (number, expected) = (self.tracker.next_number(), self.expected[channel]);
        let template = &mut self.templates[channel];
        if self.publishing_clients > 0 {
            let mask = self.pool.mask;
            self.pool.clients[publisher].queue(template.numbered(number), mask);
            if !used.contains(&publisher) {
                used.push(publisher);
            }
            self.tracker.record_publish(due, expected);
            return true;
        }
        let connections = &mut self.pool.http_connections;
        let idle = connections.iter_mut().enumerate();
        let Some((index, connection)) = idle.into_iter().find(|(_, one)| one.is_idle()) else {
            return false;
        };
        if let Some(api) = &self.pool.target.api {
            let request = http_request(api, template.numbered(number));
            self.tracker.record_request(index, now, due, expected);
            connection.send(&request);
        }
        true
    }
}

/// The poll's timeout for an event that is due in this many nanoseconds. A poll rounds up to whole
/// milliseconds, so the last one is spent polling without waiting.
fn poll_timeout(nanoseconds: u64) -> Duration {
    let milliseconds =
        nanoseconds.saturating_sub(NANOSECONDS_PER_MILLISECOND) / NANOSECONDS_PER_MILLISECOND;
    Duration::from_millis(milliseconds)
}
