//! The stream of one watcher: the events of this node and of all others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::access::CHECK;
use super::{BATCH_BYTES, TailAccess, TailEnd, TooManyWatchers, Watch};
use crate::core::model::{App, AppIdent, ChannelName};
use crate::core::ports::{BusHealth, NodeQuery, NodeReport, TailEvent, TailFilter, TailPoll};
use crate::core::service::Service;

/// How often the other nodes are asked for their events.
const POLL: Duration = Duration::from_millis(250);

/// How long events gather after others were sent, unless they fill a batch: a write for each would cost publishers more than the events do.
const GATHER: Duration = Duration::from_millis(250);

/// How long an answer of another node is awaited.
const ANSWER: Duration = Duration::from_secs(1);

/// The longest silence of a stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long the number of a channel's subscriptions over all nodes is used, the channels whose numbers are kept, and the channels that
/// are counted for one batch.
const COUNT_AGE: Duration = Duration::from_secs(2);
const MAX_COUNTS: usize = 1000;
const COUNTS_PER_BATCH: usize = 8;
const COUNT_TIMEOUT: Duration = Duration::from_millis(500);

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailItem {
    /// The events of these nodes are watched from now on.
    Open {
        /// The nodes.
        nodes: Vec<u64>,
        /// Nodes that did not answer.
        silent: Vec<u64>,
    },
    /// The nodes have changed.
    Nodes {
        /// The nodes.
        nodes: Vec<u64>,
        /// Nodes that do not answer.
        silent: Vec<u64>,
    },
    /// An event, and the connections of all nodes for which it was; `None`: not known.
    Event(TailEvent, Option<u64>),
    /// The number of events that were left out here.
    Skipped(u64),
    /// Nothing was published for a while.
    KeepAlive,
    /// The stream ends.
    End(TailEnd),
}

/// The stream of a watcher. Dropping it ends the watch.
pub struct TailStream {
    service: Arc<Service>,
    watch: Arc<Watch>,
    watcher: (u64, u64),
    filter: TailFilter,
    ends: Instant,
    app: Arc<App>,
    access: TailAccess,
    next_check: Instant,
    /// Until then events gather.
    next_batch: Instant,
    /// The number of the last poll.
    polls: u64,
    next_poll: Instant,
    /// The nodes of the last poll, and those that did not answer.
    nodes: (Vec<u64>, Vec<u64>),
    is_open: bool,
    has_ended: bool,
    counts: HashMap<ChannelName, (Instant, u64)>,
}

impl Drop for TailStream {
    fn drop(&mut self) {
        self.service.parts.tail.remove(&self.watch);
    }
}

impl Service {
    /// Watches the events of an app, which `filter` names, for `lasting`, and no longer than what opened the stream lasts.
    ///
    /// # Errors
    /// Too many watch already.
    pub fn tail(
        self: &Arc<Self>,
        app: Arc<App>,
        access: TailAccess,
        filter: TailFilter,
        lasting: Duration,
    ) -> Result<TailStream, TooManyWatchers> {
        let tail = &self.parts.tail;
        let watch = tail.add(filter.clone())?;
        let now = Instant::now();
        Ok(TailStream {
            watcher: tail.new_watcher(),
            service: Arc::clone(self),
            watch,
            filter,
            ends: now + lasting,
            app,
            access,
            next_check: now + CHECK,
            next_batch: now,
            polls: 0,
            next_poll: now,
            nodes: (Vec::new(), Vec::new()),
            is_open: false,
            has_ended: false,
            counts: HashMap::new(),
        })
    }
}

impl TailStream {
    /// The next entries; `None`: the stream has ended.
    pub async fn next(&mut self) -> Option<Vec<TailItem>> {
        if self.has_ended {
            return None;
        }
        let mut items = Vec::new();
        let keep_alive = Instant::now() + KEEP_ALIVE;
        loop {
            if let Some(end) = self.end().await {
                self.has_ended = true;
                items.push(TailItem::End(end));
                return Some(items);
            }
            if self.is_single() {
                if !self.is_open {
                    self.opened(Vec::new(), Vec::new(), &mut items);
                }
            } else if Instant::now() >= self.next_poll {
                self.poll(&mut items).await;
            }
            let now = Instant::now();
            if now >= self.next_batch || self.watch.is_full() {
                let batch = self.watch.take(BATCH_BYTES);
                if !batch.events.is_empty() {
                    self.next_batch = now + GATHER;
                }
                self.add(batch.events, batch.skipped, &mut items).await;
            }
            if !items.is_empty() {
                return Some(items);
            }
            let mut wake = keep_alive.min(self.next_check).min(self.ends);
            if !self.is_single() {
                wake = wake.min(self.next_poll);
            }
            if self.next_batch > now {
                wake = wake.min(self.next_batch);
            }
            tokio::select! {
                () = self.watch.filled.notified() => {}
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= keep_alive {
                return Some(vec![TailItem::KeepAlive]);
            }
        }
    }

    /// Why the stream ends now; `None`: it goes on.
    async fn end(&mut self) -> Option<TailEnd> {
        if self.service.parts.tail.is_stopped() {
            return Some(TailEnd::Stopping);
        }
        let now = Instant::now();
        if now >= self.ends {
            return Some(TailEnd::Time);
        }
        let is_in_doubt = self.watch.is_in_doubt.swap(false, AcqRel);
        if !is_in_doubt && now < self.next_check {
            return None;
        }
        let ended = self.service.end_of_access(&self.access, &self.app).await;
        self.next_check = Instant::now() + CHECK;
        ended
    }

    fn is_single(&self) -> bool {
        self.service.ports.nodes.bus.health() == BusHealth::SingleNode
    }

    fn opened(&mut self, mut nodes: Vec<u64>, silent: Vec<u64>, items: &mut Vec<TailItem>) {
        nodes.push(self.service.hub.process());
        nodes.sort_unstable();
        let changed = self.nodes != (nodes.clone(), silent.clone());
        self.nodes = (nodes.clone(), silent.clone());
        match (self.is_open, changed) {
            (false, _) => items.push(TailItem::Open { nodes, silent }),
            (true, true) => items.push(TailItem::Nodes { nodes, silent }),
            (true, false) => {}
        }
        self.is_open = true;
    }

    /// Asks the other nodes for their events.
    async fn poll(&mut self, items: &mut Vec<TailItem>) {
        self.polls += 1;
        let query = NodeQuery::Tail(TailPoll {
            watcher: self.watcher,
            filter: self.filter.clone(),
            number: self.polls,
        });
        let roster = Arc::clone(&self.service.ports.nodes.roster);
        let asked = roster.ask_nodes(&query, ANSWER).await;
        self.next_poll = Instant::now() + POLL;
        let Ok(mut answers) = asked else {
            // Without a bus the node is alone.
            return self.opened(Vec::new(), Vec::new(), items);
        };
        answers.reports.sort_unstable_by_key(|(node, _)| *node);
        answers.silent.sort_unstable();
        let nodes = answers.reports.iter().map(|(node, _)| *node).collect();
        self.opened(nodes, answers.silent, items);
        for (_, report) in answers.reports {
            if let NodeReport::Tail(batch) = report {
                self.add(batch.events, batch.skipped, items).await;
            }
        }
    }

    /// Adds events with their recipients over all nodes.
    async fn add(&mut self, events: Vec<TailEvent>, skipped: u64, items: &mut Vec<TailItem>) {
        let is_single = self.is_single();
        let mut counted = 0;
        for event in events {
            let recipients = match is_single {
                true => Some(event.recipients),
                false => self.recipients(&event, &mut counted).await,
            };
            items.push(TailItem::Event(event, recipients));
        }
        if skipped > 0 {
            items.push(TailItem::Skipped(skipped));
        }
    }

    async fn recipients(&mut self, event: &TailEvent, counted: &mut usize) -> Option<u64> {
        // Those of peer channels follow from the members of another channel.
        if event.channel.as_str().starts_with("peer-") {
            return None;
        }
        let now = Instant::now();
        let known = self.counts.get(&event.channel);
        let known = known.filter(|(at, _)| now.duration_since(*at) < COUNT_AGE);
        let count = match known {
            Some((_, count)) => *count,
            None if *counted < COUNTS_PER_BATCH => {
                *counted += 1;
                let app: &AppIdent = &self.filter.app;
                let roster = &self.service.ports.nodes.roster;
                let counting = roster.occupancy(app, &event.channel);
                let count = timeout(COUNT_TIMEOUT, counting).await.ok()?.ok()?;
                if self.counts.len() >= MAX_COUNTS {
                    self.counts.clear();
                }
                let count = count.subscriptions;
                self.counts.insert(event.channel.clone(), (now, count));
                count
            }
            None => return None,
        };
        Some(
            count
                .saturating_sub(u64::from(event.excluded))
                .max(event.recipients),
        )
    }
}
