//! Reading the events that were missed during an outage of the bus, or that a lost node could not send.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Resequencer;
use super::backfill::{HEAD_TIMEOUT, HEADS_PER_QUERY, MISSED_PER_QUERY};
use super::sequence::Expected;
use crate::core::backoff::Backoff;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, Event, NewEvent, PeerChannel, Timestamp,
};
use crate::core::ports::BusSink;

/// How long before the bus was last available an event of a peer channel may have been stored that has not arrived. Longer
/// than the lease of a node (10 s by default) and the removal of its data. Shorter than the time for which a sequence is kept
/// (`MAX_IDLE_SWEEPS`): what was delivered still has one.
const MISSED_WINDOW: Duration = Duration::from_secs(30);

/// Pages of [`MISSED_PER_QUERY`] of an app's newest events in which those of peer channels are looked for.
const MAX_RECENT_PAGES: usize = 16;

/// A node that is lost because it does not reach the bus still stores events, until it reaches the bus again or is killed,
/// which nobody notices. So the others read the heads of their channels again: the pauses, well below [`MISSED_WINDOW`], and
/// the time after which they cease.
const CHECKS_AFTER_LOSS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(16));
const CHECKED_AFTER_LOSS: Duration = Duration::from_secs(600);

impl Resequencer {
    /// After an outage of the bus, and repeatedly after the loss of a node: reads the heads of all watched channels, in pages,
    /// and delivers the events that were missed.
    pub(super) async fn catch_up_after_outages(&self) {
        let mut checks: Option<(Instant, Backoff)> = None;
        loop {
            match &mut checks {
                Some((end, pauses)) if Instant::now() < *end => tokio::select! {
                    biased;
                    () = self.bus_resumed.notified() => {}
                    () = sleep(pauses.next_delay()) => {}
                },
                _ => self.bus_resumed.notified().await,
            }
            if self.node_lost.swap(false, Relaxed) {
                checks = Some((Instant::now() + CHECKED_AFTER_LOSS, CHECKS_AFTER_LOSS));
            }
            // Read before the next sweep updates it.
            let since = self.complete_until.lock().minus(MISSED_WINDOW);
            while let Err(error) = self.catch_up(since).await {
                tracing::warn!(
                    error = error.chain(),
                    "events missed during an outage could not be read, retrying"
                );
                sleep(HEAD_TIMEOUT).await;
            }
        }
    }

    async fn catch_up(&self, since: Timestamp) -> Result<(), StorageError> {
        let mut apps: HashMap<AppIdent, Vec<(ChannelName, u64)>> = HashMap::new();
        let mut peers = HashSet::new();
        self.shards.retain(|app, channel, sequence| {
            if channel.kind() == ChannelKind::Presence && sequence.watched.is_some() {
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
        let (mut missed, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
        let mut before = None;
        for _ in 0..MAX_RECENT_PAGES {
            let page = self.events.recent(app, before, MISSED_PER_QUERY).await?;
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.position.id);
            let is_last = oldest.new.timestamp <= since;
            for event in page {
                let wanted = event.new.timestamp > since
                    && self.is_missed_peer(&event.new)
                    && sink.wants(app, &event.new.channel);
                if wanted {
                    bytes += event.new.bytes();
                    missed.push(event);
                }
            }
            if is_last || bytes > MISSED_PER_QUERY.bytes {
                break;
            }
        }
        // Oldest first.
        for event in missed.into_iter().rev() {
            self.deliver(self.to_message(event));
        }
        Ok(())
    }

    /// Whether an event is of a peer channel of which none has arrived, although this node has watched the presence channel
    /// since before the event. Without the latter, clients that come from a lost node would receive it twice.
    fn is_missed_peer(&self, event: &NewEvent) -> bool {
        let (app, channel) = (&event.app, &event.channel);
        if channel.kind() != ChannelKind::Peer {
            return false;
        }
        let Some(peer) = PeerChannel::parse(channel.as_str()) else {
            return false;
        };
        let presence = ChannelName::trusted(&peer.presence());
        let watched = self
            .shards
            .read(app, &presence, |sequence| sequence.watched)
            .flatten();
        watched.is_some_and(|watched| watched <= event.timestamp)
            && self.shards.read(app, channel, |_| ()).is_none()
    }
}
