//! Reading the events of gaps from the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::Resequencer;
use super::sequence::{ChannelSequence, Expected, Missing};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, ServerEvent};
use crate::core::ports::{BusMessage, BusSink, ReadLimit};

/// The time for which an early event is held before the missing ones are read from the store.
pub(super) const GAP_TIMEOUT: Duration = Duration::from_millis(200);

/// The time after which a gap is skipped where the store is unavailable.
pub(super) const BACKFILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the expected serial is unknown: an event is not held for a predecessor that was published
/// longer before it than this.
const PREDECESSOR_WINDOW: Duration = Duration::from_secs(2);

/// The time for which a watch waits for the channel's head.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Channels whose heads are read by one query.
pub(super) const HEADS_PER_QUERY: usize = 500;

/// Events that are read by one query.
pub(super) const MISSED_PER_QUERY: ReadLimit = ReadLimit {
    events: 1000,
    bytes: 8 * 1024 * 1024,
};

/// Channels that are backfilled concurrently.
const CONCURRENT_BACKFILLS: usize = 8;

/// Channels with a gap, in the order of the times at which they are backfilled.
pub(super) type Gaps = VecDeque<(Instant, AppIdent, ChannelName)>;

impl Resequencer {
    /// Registers a channel's gap: to be backfilled after the timeout, or at once where the expected
    /// serial is unknown.
    pub(super) fn register_gap(&self, app: AppIdent, channel: ChannelName, expected: Expected) {
        let delay = if expected == Expected::Unknown {
            Duration::ZERO
        } else {
            GAP_TIMEOUT
        };
        self.schedule_backfill(app, channel, delay);
    }

    fn schedule_backfill(&self, app: AppIdent, channel: ChannelName, delay: Duration) {
        let when = Instant::now() + delay;
        let mut gaps = self.gaps.lock();
        let index = gaps.partition_point(|(other, ..)| *other <= when);
        gaps.insert(index, (when, app, channel));
        drop(gaps);
        self.gap_added.notify_one();
    }

    pub(super) fn update(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        update: impl FnOnce(&mut ChannelSequence, &mut VecDeque<BusMessage>) -> bool,
    ) {
        let gap_begins = self.shards.update(app, channel, update);
        if let Some(sink) = self.sink() {
            self.shards.drain(channel, &*sink);
        }
        if gap_begins
            && let Some(expected) = self.shards.read(app, channel, |sequence| sequence.expected)
        {
            self.register_gap(app.clone(), channel.clone(), expected);
        }
    }

    /// Backfills the channels with a gap, each at its time.
    pub(super) async fn backfill_gaps(&self) {
        loop {
            let first = self.gaps.lock().front().map(|(when, ..)| *when);
            match first {
                Some(when) => tokio::select! {
                    biased;
                    () = sleep_until(when) => {}
                    () = self.gap_added.notified() => {}
                },
                None => self.gap_added.notified().await,
            }
            let now = Instant::now();
            let mut due = Vec::new();
            {
                let mut gaps = self.gaps.lock();
                while gaps.front().is_some_and(|(when, ..)| *when <= now) {
                    due.extend(gaps.pop_front());
                }
            }
            stream::iter(due)
                .for_each_concurrent(CONCURRENT_BACKFILLS, |(_, app, channel)| {
                    self.backfill(app, channel)
                })
                .await;
        }
    }

    /// Fills or skips the gaps of one channel, or schedules the next attempt.
    async fn backfill(&self, app: AppIdent, channel: ChannelName) {
        loop {
            let gap = self.shards.read(&app, &channel, |sequence| {
                (sequence.missing(), sequence.gap_since)
            });
            let Some((Some(missing), Some(since))) = gap else {
                return;
            };
            let waited = since.elapsed();
            let found = match missing {
                Missing::Between { after, upto } => {
                    self.deliver_stored(&app, &channel, after, upto).await
                }
                Missing::Below(serial) => self
                    .predecessor_may_arrive(&app, &channel, serial)
                    .await
                    .map(|may_arrive| may_arrive && waited < GAP_TIMEOUT),
            };
            match found {
                // There may be another gap behind the one that was filled.
                Ok(true) if matches!(missing, Missing::Between { .. }) => {}
                Ok(true) => {
                    let delay = GAP_TIMEOUT.saturating_sub(waited);
                    return self.schedule_backfill(app, channel, delay);
                }
                Ok(false) => return self.skip_gap(&app, &channel),
                Err(_) if waited < BACKFILL_TIMEOUT => {
                    return self.schedule_backfill(app, channel, GAP_TIMEOUT);
                }
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "events missed on the bus could not be read from the store, gap skipped"
                    );
                    return self.skip_gap(&app, &channel);
                }
            }
        }
    }

    fn skip_gap(&self, app: &AppIdent, channel: &ChannelName) {
        self.update(app, channel, ChannelSequence::skip_gap);
    }

    /// Delivers the stored events in (`after`, `upto`]; `false`: the first one is not stored any more.
    pub(super) async fn deliver_stored(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
    ) -> Result<bool, StorageError> {
        let events = self
            .events
            .replay(app, channel, after, upto, MISSED_PER_QUERY)
            .await?;
        let found = events
            .first()
            .is_some_and(|event| event.position.serial == after + 1);
        for event in events {
            self.deliver(self.to_message(event));
        }
        Ok(found)
    }

    /// Where the expected serial is unknown: whether the event before the held one may still arrive.
    async fn predecessor_may_arrive(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serial: u64,
    ) -> Result<bool, StorageError> {
        let before = self
            .events
            .history(app, channel, Some(serial), ReadLimit::events(1))
            .await?;
        let Some(before) = before.first() else {
            return Ok(false);
        };
        let held = self
            .shards
            .read(app, channel, |sequence| match sequence.first_held() {
                Some(BusMessage::Broadcast {
                    event: ServerEvent::Published { event, .. },
                    ..
                }) => Some(event.timestamp),
                _ => None,
            });
        Ok(held
            .flatten()
            .is_some_and(|timestamp| before.new.timestamp > timestamp.minus(PREDECESSOR_WINDOW)))
    }

    /// The message of a stored event, with the socket that this node excluded.
    pub(super) fn to_message(&self, event: Event) -> BusMessage {
        let exclude = self.exclusions.get(&event.new.mid);
        BusMessage::published(Arc::new(event.new), Some(event.position), exclude)
    }
}
