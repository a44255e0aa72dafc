//! Matches deliveries and responses with the publishes that they belong to.

use std::collections::BTreeMap;

use crate::clients::FrameHandler;
use crate::error::BenchError;
use crate::measure::histogram::LatencyHistogram;
use crate::sequence_marker::SequenceReader;

/// A publish, by its sequence number.
struct PublishRecord {
    /// When it was sent, or was due.
    sent: u64,
    /// The number of missing deliveries; the response to a request counts as one.
    missing: u32,
}

/// All publishes of a run, and the counters of the measurement. Times are nanoseconds of the pool's
/// clock.
pub(crate) struct DeliveryTracker {
    reader: SequenceReader,
    publishes: Vec<PublishRecord>,
    /// By HTTP connection: the number of the publish that was last sent over it, and when.
    requests: Vec<(u32, u64)>,
    /// Publishes with missing deliveries.
    pub(crate) outstanding: usize,
    pub(crate) delivered: u64,
    /// Publishes without missing deliveries.
    pub(crate) complete: u64,
    /// When the last delivery or response arrived.
    pub(crate) last_arrival: u64,
    /// From a publish to each of its deliveries.
    pub(crate) delivery_times: LatencyHistogram,
    /// From a publish to its last delivery.
    pub(crate) completion_times: LatencyHistogram,
    /// From a request to its response.
    pub(crate) response_times: LatencyHistogram,
    /// Responses without success, by status; 0: the connection failed.
    pub(crate) failed: BTreeMap<u16, u64>,
}

impl DeliveryTracker {
    /// # Errors
    ///
    /// See [`LatencyHistogram::new`].
    pub(crate) fn new(http_connections: usize) -> Result<Self, BenchError> {
        Ok(Self {
            reader: SequenceReader::default(),
            publishes: Vec::new(),
            requests: vec![(0, 0); http_connections],
            outstanding: 0,
            delivered: 0,
            complete: 0,
            last_arrival: 0,
            delivery_times: LatencyHistogram::new()?,
            completion_times: LatencyHistogram::new()?,
            response_times: LatencyHistogram::new()?,
            failed: BTreeMap::new(),
        })
    }

    /// The sequence number of the next publish.
    pub(crate) fn next_number(&self) -> u32 {
        u32::try_from(self.publishes.len()).unwrap_or(u32::MAX)
    }

    /// Records a publish that was sent or due at `sent`, with the number of deliveries to expect.
    pub(crate) fn record_publish(&mut self, sent: u64, deliveries: u32) {
        self.publishes.push(PublishRecord {
            sent,
            missing: deliveries,
        });
        self.outstanding += usize::from(deliveries > 0);
        self.complete += u64::from(deliveries == 0);
    }

    /// Records a publish that is sent as a request at `now` and was due at `sent`.
    pub(crate) fn record_request(
        &mut self,
        connection: usize,
        now: u64,
        sent: u64,
        deliveries: u32,
    ) {
        let number = self.next_number();
        if let Some(request) = self.requests.get_mut(connection) {
            *request = (number, now);
        }
        self.record_publish(sent, deliveries + 1);
    }

    /// Starts the measurement: resets the counters. Deliveries of earlier publishes are not
    /// counted.
    pub(crate) fn reset(&mut self) {
        self.publishes
            .iter_mut()
            .for_each(|publish| publish.missing = 0);
        self.outstanding = 0;
        (self.delivered, self.complete) = (0, 0);
        self.failed.clear();
        for times in [
            &mut self.delivery_times,
            &mut self.completion_times,
            &mut self.response_times,
        ] {
            times.clear();
        }
    }

    /// The number of missing deliveries and responses.
    pub(crate) fn missing(&self) -> u64 {
        self.publishes
            .iter()
            .map(|publish| u64::from(publish.missing))
            .sum()
    }

    /// Records a delivery or response and returns its latency; `None`: it was not expected.
    fn record_arrival(&mut self, number: u32, now: u64) -> Option<u64> {
        let publish = self.publishes.get_mut(number as usize)?;
        publish.missing = publish.missing.checked_sub(1)?;
        let latency = now.saturating_sub(publish.sent);
        self.last_arrival = now;
        if publish.missing == 0 {
            self.outstanding -= 1;
            self.complete += 1;
            self.completion_times.record(latency);
        }
        Some(latency)
    }
}

impl FrameHandler for DeliveryTracker {
    fn on_frame(&mut self, payload: &[u8], now: u64) -> bool {
        let Some(number) = self.reader.read(payload) else {
            return false;
        };
        if let Some(latency) = self.record_arrival(number, now) {
            self.delivered += 1;
            self.delivery_times.record(latency);
        }
        true
    }

    fn on_response(&mut self, connection: usize, status: u16, now: u64) {
        let Some((number, sent)) = self.requests.get(connection).copied() else {
            return;
        };
        self.record_arrival(number, now);
        if (200..300).contains(&status) {
            self.response_times.record(now.saturating_sub(sent));
        } else {
            *self.failed.entry(status).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence_marker::{SequenceMarker, event_data};

    fn payload(number: u32) -> Vec<u8> {
        let mut bytes = event_data(20).into_bytes();
        let marker = SequenceMarker::find(&bytes).unwrap();
        marker.write(&mut bytes, number);
        bytes
    }

    #[test]
    fn a_publish_is_complete_with_its_last_delivery() {
        let mut tracker = DeliveryTracker::new(0).unwrap();
        tracker.record_publish(1_000_000, 2);
        assert!(tracker.on_frame(&payload(0), 3_000_000) && tracker.outstanding == 1);
        assert!(tracker.on_frame(&payload(0), 5_000_000) && tracker.outstanding == 0);
        // A duplicate, and one that was never sent.
        assert!(
            tracker.on_frame(&payload(0), 5_000_000) && tracker.on_frame(&payload(7), 5_000_000)
        );
        assert!(!tracker.on_frame(b"something else", 0));
        assert_eq!(
            (tracker.delivered, tracker.complete, tracker.missing()),
            (2, 1, 0)
        );
        assert_eq!(
            (
                tracker.delivery_times.count(),
                tracker.completion_times.count(),
                tracker.completion_times.quantile(1.0).abs_diff(4000) < 5
            ),
            (2, 1, true)
        );
        assert_eq!(tracker.last_arrival, 5_000_000);
    }

    #[test]
    fn a_request_is_complete_with_its_response_and_deliveries() {
        let mut tracker = DeliveryTracker::new(2).unwrap();
        tracker.record_request(1, 0, 0, 1);
        tracker.on_frame(&payload(0), 1);
        assert_eq!((tracker.outstanding, tracker.missing()), (1, 1));
        tracker.on_response(1, 200, 2_000_000);
        assert_eq!(
            (
                tracker.outstanding,
                tracker.complete,
                tracker.response_times.max().abs_diff(2000) < 3
            ),
            (0, 1, true)
        );
        tracker.record_request(1, 0, 0, 0);
        tracker.on_response(1, 503, 1);
        assert_eq!(
            (tracker.failed.get(&503), tracker.response_times.count()),
            (Some(&1), 1)
        );
    }

    #[test]
    fn publishes_before_the_reset_are_not_counted() {
        let mut tracker = DeliveryTracker::new(0).unwrap();
        tracker.record_publish(0, 2);
        tracker.reset();
        assert!(tracker.on_frame(&payload(0), 1));
        assert_eq!(
            (
                tracker.delivered,
                tracker.outstanding,
                tracker.next_number()
            ),
            (0, 0, 1)
        );
    }
}
