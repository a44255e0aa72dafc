//! Reads from the store: gaps, and events that were missed during an outage of the bus.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until};

use super::Resequencer;
use super::sequence::{ChannelSequence, Expected, Missing};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelKind, ChannelName, Event, ServerEvent, Timestamp};
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
    async fn deliver_stored(
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

    /// After an outage of the bus or of a node: reads the heads of all watched channels, in pages, and delivers
    /// the events that were missed.
    pub(super) async fn catch_up_after_outages(&self) {
        loop {
            self.bus_resumed.notified().await;
            // Read before the next sweep updates it.
            let since = self.complete_until.lock().minus(PREDECESSOR_WINDOW);
            while let Err(error) = self.catch_up(since).await {
                tracing::warn!(
                    error = error.chain(),
                    "events missed during a bus outage could not be read, retrying"
                );
                sleep(HEAD_TIMEOUT).await;
            }
        }
    }

    async fn catch_up(&self, since: Timestamp) -> Result<(), StorageError> {
        let mut apps: HashMap<AppIdent, Vec<(ChannelName, u64)>> = HashMap::new();
        let mut peers = HashSet::new();
        self.shards.retain(|app, channel, sequence| {
            if channel.kind() == ChannelKind::Presence {
                peers.insert(app.clone());
            }
            if let Expected::At(expected) = sequence.expected {
                apps.entry(app.clone())
                    .or_default()
                    .push((channel.clone(), expected));
            }
            true
        });
        for app in peers {
            self.catch_up_peers(&app, since).await?;
        }
        for (app, channels) in apps {
            for page in channels.chunks(HEADS_PER_QUERY) {
                let names: Vec<ChannelName> =
                    page.iter().map(|(channel, _)| channel.clone()).collect();
                let heads = self.events.heads(&app, &names).await?;
                for ((channel, expected), head) in page.iter().zip(heads) {
                    let mut after = expected - 1;
                    while after < head && self.deliver_stored(&app, channel, after, head).await? {
                        after = match self
                            .shards
                            .read(&app, channel, |sequence| sequence.expected)
                        {
                            Some(Expected::At(now)) if now > after + 1 => now - 1,
                            _ => break,
                        };
                    }
                }
            }
        }
        Ok(())
    }

    /// Peer channels are not watched by name: those without a sequence on this node are found among
    /// the app's newest events.
    async fn catch_up_peers(&self, app: &AppIdent, since: Timestamp) -> Result<(), StorageError> {
        let Some(sink) = self.sink() else {
            return Ok(());
        };
        let mut events = self.events.recent(app, None, MISSED_PER_QUERY).await?;
        events.retain(|event| {
            let channel = &event.new.channel;
            event.new.timestamp > since
                && channel.kind() == ChannelKind::Peer
                && self.shards.read(app, channel, |_| ()).is_none()
                && sink.wants(app, channel)
        });
        // Oldest first.
        for event in events.into_iter().rev() {
            self.deliver(self.to_message(event));
        }
        Ok(())
    }

    /// The message of a stored event, with the socket that this node excluded.
    pub(super) fn to_message(&self, event: Event) -> BusMessage {
        let exclude = self.exclusions.get(&event.new.mid);
        BusMessage::published(Arc::new(event.new), Some(event.position), exclude)
    }
}
