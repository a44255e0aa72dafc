//! What is read from the store: heads of channels that begin, what is missing, what was missed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::Resequencer;
use super::track::{Expected, Missing};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelKind, ChannelName, Event, ServerEvent, Timestamp};
use crate::core::ports::{BusMessage, BusSink};

/// How long an early event waits for the missing ones before they are read from the store.
const EARLY: Duration = Duration::from_millis(200);

/// How long the missing ones are asked for where the store is away; then they are given up.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Where it is not known which serial is due: an event whose predecessor is older than this need not wait for it.
const QUIET: Duration = Duration::from_secs(2);

/// How long somebody who begins to watch waits for the channel's head.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Channels whose heads are read at a call.
const HEADS: usize = 500;

/// Events that are read at a call.
const EVENTS: usize = 1000;

/// Channels whose missing events are read at a time.
const AT_ONCE: usize = 8;

/// A channel that begins to be watched.
pub(super) struct Opening {
    pub app: AppIdent,
    pub channel: ChannelName,
    pub opened: oneshot::Sender<()>,
}

/// Channels on which something is missing, in the order in which they are looked at.
pub(super) type Gaps = VecDeque<(Instant, AppIdent, ChannelName)>;

impl Resequencer {
    /// Notes that something is missing on a channel. Where it is not known what, that is looked at once.
    pub(super) fn note_late(&self, app: AppIdent, channel: ChannelName, due: Expected) {
        self.look_after(
            app,
            channel,
            if due == Expected::Unknown {
                Duration::ZERO
            } else {
                EARLY
            },
        );
    }

    fn look_after(&self, app: AppIdent, channel: ChannelName, wait: Duration) {
        let when = Instant::now() + wait;
        let mut late = self.late.lock();
        let place = late.partition_point(|(other, ..)| *other <= when);
        late.insert(place, (when, app, channel));
        drop(late);
        self.lateness.notify_one();
    }

    /// Reads the heads of channels that begin, those that gathered at a call.
    pub(super) async fn read_heads(&self) {
        loop {
            self.opening.notified().await;
            let gathered = std::mem::take(&mut *self.openings.lock());
            let mut apps: HashMap<AppIdent, Vec<Opening>> = HashMap::new();
            for opening in gathered {
                apps.entry(opening.app.clone()).or_default().push(opening);
            }
            for (app, openings) in apps {
                let mut openings = openings.into_iter().peekable();
                while openings.peek().is_some() {
                    self.open(&app, openings.by_ref().take(HEADS).collect())
                        .await;
                }
            }
        }
    }

    async fn open(&self, app: &AppIdent, openings: Vec<Opening>) {
        let channels: Vec<ChannelName> = openings
            .iter()
            .map(|opening| opening.channel.clone())
            .collect();
        let heads = match self.events.heads(app, &channels).await {
            Ok(heads) => heads,
            Err(error) => {
                tracing::warn!(error = error.chain(), "heads of channels could not be read");
                Vec::new()
            }
        };
        let heads = heads.into_iter().map(Some).chain(std::iter::repeat(None));
        for (opening, head) in openings.into_iter().zip(heads) {
            self.change(app, &opening.channel, |track, ready| match head {
                Some(head) => track.open(head, ready),
                None => track.open_unknown(ready),
            });
            // Who does not wait any more needs no answer.
            let _ = opening.opened.send(());
        }
    }

    fn change(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        change: impl FnOnce(&mut super::track::ChannelSequence, &mut VecDeque<BusMessage>) -> bool,
    ) {
        let late = self.shards.change(app, channel, change);
        if let Some(sink) = self.sink() {
            self.shards.drain(channel, &*sink);
        }
        if late && let Some(due) = self.shards.peek(app, channel, |track| track.due) {
            self.note_late(app.clone(), channel.clone(), due);
        }
    }

    /// Looks after the channels on which something is missing, each when its time has come.
    pub(super) async fn read_late(&self) {
        loop {
            let first = self.late.lock().front().map(|(when, ..)| *when);
            match first {
                Some(when) => tokio::select! {
                    () = sleep_until(when) => {}
                    () = self.lateness.notified() => {}
                },
                None => self.lateness.notified().await,
            }
            let now = Instant::now();
            let mut due = Vec::new();
            {
                let mut late = self.late.lock();
                while late.front().is_some_and(|(when, ..)| *when <= now) {
                    due.extend(late.pop_front());
                }
            }
            stream::iter(due)
                .for_each_concurrent(AT_ONCE, |(_, app, channel)| self.find_missing(app, channel))
                .await;
        }
    }

    async fn find_missing(&self, app: AppIdent, channel: ChannelName) {
        loop {
            let looked = self
                .shards
                .peek(&app, &channel, |track| (track.missing(), track.late_since));
            let Some((Some(missing), Some(since))) = looked else {
                return;
            };
            let waited = since.elapsed();
            let found = match missing {
                Missing::Between { after, upto } => self.fill(&app, &channel, after, upto).await,
                Missing::Below(serial) => self
                    .is_expected(&app, &channel, serial)
                    .await
                    .map(|expected| expected && waited < EARLY),
            };
            match found {
                // More may be missing behind what came.
                Ok(true) if matches!(missing, Missing::Between { .. }) => {}
                Ok(true) => return self.look_after(app, channel, EARLY.saturating_sub(waited)),
                Ok(false) => return self.change(&app, &channel, |track, ready| track.skip(ready)),
                Err(_) if waited < GIVE_UP => return self.look_after(app, channel, EARLY),
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "events that did not arrive could not be read either"
                    );
                    return self.change(&app, &channel, |track, ready| track.skip(ready));
                }
            }
        }
    }

    /// Delivers what the store has in (`after`, `upto`]; `false`: nothing, it is not kept any more.
    async fn fill(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
    ) -> Result<bool, StorageError> {
        let events = self
            .events
            .replay(app, channel, after, upto, EVENTS)
            .await?;
        let found = events
            .first()
            .is_some_and(|event| event.position.serial == after + 1);
        for event in events {
            self.deliver(self.stored(event));
        }
        Ok(found)
    }

    /// Where it is not known which serial is due: whether the event before the waiting one may still be on its way.
    async fn is_expected(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serial: u64,
    ) -> Result<bool, StorageError> {
        let before = self.events.history(app, channel, Some(serial), 1).await?;
        let Some(before) = before.first() else {
            return Ok(false);
        };
        let waiting = self
            .shards
            .peek(app, channel, |track| match track.first_waiting() {
                Some(BusMessage::Broadcast {
                    event: ServerEvent::Published { event, .. },
                    ..
                }) => Some(event.timestamp),
                _ => None,
            });
        Ok(waiting
            .flatten()
            .is_some_and(|timestamp| before.new.timestamp > timestamp.minus(QUIET)))
    }

    /// After the bus was away: reads the heads of all watched channels, in pages, and delivers what was missed.
    pub(super) async fn read_gaps(&self) {
        loop {
            self.gap.notified().await;
            // Read before the next look finds the bus there.
            let since = self.heard_until.lock().minus(QUIET);
            while let Err(error) = self.catch_up(since).await {
                tracing::warn!(
                    error = error.chain(),
                    "what was missed while the bus was away could not be read yet"
                );
                sleep(PATIENCE).await;
            }
        }
    }

    async fn catch_up(&self, since: Timestamp) -> Result<(), StorageError> {
        let mut apps: HashMap<AppIdent, Vec<(ChannelName, u64)>> = HashMap::new();
        let mut peers = HashSet::new();
        self.shards.retain(|app, channel, track| {
            if channel.kind() == ChannelKind::Presence {
                peers.insert(app.clone());
            }
            if let Expected::At(due) = track.due {
                apps.entry(app.clone())
                    .or_default()
                    .push((channel.clone(), due));
            }
            true
        });
        for app in peers {
            self.catch_up_peers(&app, since).await?;
        }
        for (app, channels) in apps {
            for page in channels.chunks(HEADS) {
                let names: Vec<ChannelName> =
                    page.iter().map(|(channel, _)| channel.clone()).collect();
                let heads = self.events.heads(&app, &names).await?;
                for ((channel, due), head) in page.iter().zip(heads) {
                    let mut after = due - 1;
                    while after < head && self.fill(&app, channel, after, head).await? {
                        after = match self.shards.peek(&app, channel, |track| track.due) {
                            Some(Expected::At(now)) if now > after + 1 => now - 1,
                            _ => break,
                        };
                    }
                }
            }
        }
        Ok(())
    }

    /// Nobody watches peer channels by name: those that this node has not heard of yet are found among the newest events.
    async fn catch_up_peers(&self, app: &AppIdent, since: Timestamp) -> Result<(), StorageError> {
        let Some(sink) = self.sink() else {
            return Ok(());
        };
        let mut events = self.events.recent(app, EVENTS).await?;
        events.retain(|event| {
            let channel = &event.new.channel;
            event.new.timestamp > since
                && channel.kind() == ChannelKind::Peer
                && self.shards.peek(app, channel, |_| ()).is_none()
                && sink.wants(app, channel)
        });
        // Oldest first.
        for event in events.into_iter().rev() {
            self.deliver(self.stored(event));
        }
        Ok(())
    }

    /// What was published, as far as the store and this node know.
    fn stored(&self, event: Event) -> BusMessage {
        let except = self.unechoed.except(&event.new.mid);
        BusMessage::published(Arc::new(event.new), Some(event.position), except)
    }
}
