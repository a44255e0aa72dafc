//! Watching the events that are published at this node.
//!
//! An event is recorded where it is published, so that each is seen once over all nodes. While nobody watches, that is one relaxed load.
//! A watcher has a bounded buffer; what does not fit is counted, and nothing waits for the watcher.

mod access;
mod stream;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use access::{TailAccess, TailEnd};
pub use stream::{TailItem, TailStream};

use crate::core::hub::Hub;
use crate::core::model::{NewEvent, Position, SocketId};
use crate::core::ports::{TailBatch, TailEvent, TailFilter, TailPoll};

/// The watchers of a node, and of one app at it.
const MAX_WATCHERS: usize = 16;
const MAX_WATCHERS_OF_APP: usize = 8;

/// The watchers of other nodes that a node records events for.
const MAX_REMOTE: usize = 64;

/// The bytes that a watcher's buffer holds.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The bytes of events that are sent together, and those in the answer to another node; at least one event.
const BATCH_BYTES: usize = 128 * 1024;

/// A watcher of another node that has not polled for this time is forgotten.
const UNUSED: Duration = Duration::from_secs(10);

/// Too many watch the events of an app, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many watch the events of this app or of this node: end another one first")]
pub struct TooManyWatchers;

/// The watchers of this node: at most [`MAX_WATCHERS`] with a buffer of [`BUFFER_BYTES`] each, and [`MAX_REMOTE`] of other nodes.
pub(super) struct Tail {
    hub: Arc<Hub>,
    /// The number of watchers, which every publish reads.
    count: AtomicUsize,
    watches: RwLock<Vec<Arc<Watch>>>,
    remote: Mutex<HashMap<(u64, u64), RemoteWatch>>,
    numbers: AtomicU64,
    stopped: AtomicBool,
}

/// A watcher's filter and buffer.
struct Watch {
    filter: TailFilter,
    is_remote: bool,
    buffer: Mutex<Buffer>,
    /// Filled, or to be checked.
    filled: Notify,
    /// Whether what opened the stream may have ended.
    is_in_doubt: AtomicBool,
}

#[derive(Default)]
struct Buffer {
    events: VecDeque<TailEvent>,
    bytes: usize,
    /// Left out since the last event was taken.
    skipped: u64,
    /// Whether the stream has taken all, and waits for the next event.
    is_awaited: bool,
}

/// A watcher of another node.
struct RemoteWatch {
    watch: Arc<Watch>,
    /// The number of the last poll, and its answer.
    answered: (u64, TailBatch),
    polled: Instant,
}

impl Watch {
    fn new(filter: TailFilter, is_remote: bool) -> Arc<Self> {
        Arc::new(Self {
            filter,
            is_remote,
            buffer: Mutex::default(),
            filled: Notify::new(),
            is_in_doubt: AtomicBool::new(false),
        })
    }

    fn check(&self) {
        self.is_in_doubt.store(true, Release);
        self.filled.notify_one();
    }

    fn wants(&self, event: &NewEvent) -> bool {
        let TailFilter {
            app,
            prefix,
            event: name,
        } = &self.filter;
        *app == event.app
            && event.channel.as_str().starts_with(prefix)
            && (name.is_empty() || **name == *event.payload.event)
    }

    fn push(&self, event: &TailEvent) {
        let bytes = event.bytes();
        let mut buffer = self.buffer.lock();
        let was_full = buffer.bytes >= BATCH_BYTES;
        // After one that was left out come all that follow, until the watcher has taken something: it sees one gap.
        if buffer.skipped > 0 && !buffer.events.is_empty() || buffer.bytes + bytes > BUFFER_BYTES {
            buffer.skipped += 1;
        } else {
            buffer.bytes += bytes;
            buffer.events.push_back(event.clone());
        }
        let becomes_full = !was_full && buffer.bytes >= BATCH_BYTES;
        let wakes = std::mem::take(&mut buffer.is_awaited) || becomes_full;
        drop(buffer);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Whether a whole batch waits.
    fn is_full(&self) -> bool {
        self.buffer.lock().bytes >= BATCH_BYTES
    }

    /// Takes events of at most `limit` bytes, but at least one.
    fn take(&self, limit: usize) -> TailBatch {
        let mut buffer = self.buffer.lock();
        let mut batch = TailBatch::default();
        let mut bytes = 0;
        while let Some(next) = buffer.events.front() {
            let size = next.bytes();
            if !batch.events.is_empty() && bytes + size > limit {
                break;
            }
            bytes += size;
            buffer.bytes -= size;
            batch.events.extend(buffer.events.pop_front());
        }
        if buffer.events.is_empty() {
            batch.skipped = std::mem::take(&mut buffer.skipped);
            buffer.events.shrink_to_fit();
        }
        buffer.is_awaited = batch.events.is_empty();
        batch
    }
}

impl Tail {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            count: AtomicUsize::new(0),
            watches: RwLock::default(),
            remote: Mutex::default(),
            numbers: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Records an event that is published at this node.
    pub(super) fn record(
        &self,
        event: &NewEvent,
        position: Option<Position>,
        except: Option<SocketId>,
    ) {
        if self.count.load(Relaxed) != 0 {
            self.record_watched(event, position, except);
        }
    }

    #[cold]
    fn record_watched(
        &self,
        event: &NewEvent,
        position: Option<Position>,
        except: Option<SocketId>,
    ) {
        let watches = self.watches.read();
        let mut wanting = watches.iter().filter(|watch| watch.wants(event)).peekable();
        if wanting.peek().is_none() {
            return;
        }
        let hub = self.hub.app(&event.app);
        let publisher = event.owner_id.as_deref().and_then(SocketId::parse);
        let recorded = TailEvent {
            at: event.timestamp,
            channel: event.channel.clone(),
            event: Arc::clone(&event.payload.event),
            data: Arc::clone(&event.payload.data),
            mid: Arc::clone(&event.mid.0),
            serial: position.map(|position| position.serial),
            socket: event.owner_id.clone(),
            user: publisher.and_then(|id| hub.as_ref()?.user_of_socket(id)),
            recipients: hub
                .as_ref()
                .map_or(0, |hub| hub.recipients(&event.channel, except)),
            excluded: except.is_some(),
            node: self.hub.process(),
        };
        for watch in wanting {
            watch.push(&recorded);
        }
    }

    fn add(&self, filter: TailFilter) -> Result<Arc<Watch>, TooManyWatchers> {
        let mut watches = self.watches.write();
        let own = || watches.iter().filter(|watch| !watch.is_remote);
        let of_app = own().filter(|watch| watch.filter.app == filter.app).count();
        if own().count() >= MAX_WATCHERS || of_app >= MAX_WATCHERS_OF_APP {
            return Err(TooManyWatchers);
        }
        let watch = Watch::new(filter, false);
        watches.push(Arc::clone(&watch));
        self.count.store(watches.len(), Relaxed);
        Ok(watch)
    }

    fn remove(&self, watch: &Arc<Watch>) {
        let mut watches = self.watches.write();
        watches.retain(|known| !Arc::ptr_eq(known, watch));
        self.count.store(watches.len(), Relaxed);
    }

    /// Answers a poll of another node, whose watcher begins with its first one.
    pub(super) fn answer(&self, poll: TailPoll) -> TailBatch {
        let mut remote = self.remote.lock();
        if let Some(known) = remote.get_mut(&poll.watcher) {
            known.polled = Instant::now();
            if known.answered.0 != poll.number {
                known.answered = (poll.number, known.watch.take(BATCH_BYTES));
            }
            return known.answered.1.clone();
        }
        if remote.len() < MAX_REMOTE {
            let watch = Watch::new(poll.filter, true);
            let mut watches = self.watches.write();
            watches.push(Arc::clone(&watch));
            self.count.store(watches.len(), Relaxed);
            drop(watches);
            let known = RemoteWatch {
                watch,
                answered: (poll.number, TailBatch::default()),
                polled: Instant::now(),
            };
            remote.insert(poll.watcher, known);
        }
        TailBatch::default()
    }

    /// Forgets watchers of other nodes that poll no more.
    pub(super) fn forget_unused(&self) {
        let mut remote = self.remote.lock();
        let unused: Vec<_> = remote
            .extract_if(|_, known| known.polled.elapsed() > UNUSED)
            .collect();
        drop(remote);
        for (_, known) in unused {
            self.remove(&known.watch);
        }
    }

    /// Ends all streams of this node.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        for watch in self.watches.read().iter() {
            watch.filled.notify_one();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    fn new_watcher(&self) -> (u64, u64) {
        (self.hub.process(), self.numbers.fetch_add(1, Relaxed))
    }
}
