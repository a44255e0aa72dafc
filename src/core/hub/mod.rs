//! The connections of this node, their subscriptions, and the broadcast to them.
//!
//! [`Hub`] holds an [`AppHub`] per app: its connections, its channels with their local subscribers,
//! and its signed-in users, under one lock. The lock is held neither across an await nor across a
//! fan-out: a broadcast takes a snapshot of the subscribers, encodes once per dialect, and delivers
//! into their mailboxes. [`Connection`] is the handle of a session; dropping it disconnects.
//!
//! Everything here is synchronous. Bytes leave only through [`DirectWriter`], which never blocks:
//! the folder [`write`](mod@write) explains how. Joins and leaves on large presence channels are sent in
//! batches ([`Hub::flush_member_changes`]). State that other nodes share, such as presence lists
//! and counts, is behind ports and not kept here.

mod app;
mod broadcast;
mod channel;
mod connection;
mod count_throttle;
mod held_token;
mod member_changes;
mod signed;
mod sink;
mod subscriptions;
pub mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

pub use app::{AppHub, DisconnectOutcome, SubscribeOutcome, UnsubscribeOutcome};
pub use broadcast::{Broadcast, Dialects, MemberChange};
pub use connection::{AliasMember, Connection, ReleasedChannels};
pub use held_token::HeldToken;
pub use signed::SignedIn;
pub use subscriptions::{SubscribedVia, Subscription};
pub use write::{
    BatchWriter, BatchedWrite, CloseReason, ConnectionOrigin, Corked, Delivered, DirectWriter,
    EventRenderer, FlushBatch, FlushScheduler, Mailbox, MailboxItem, Receipt, ReceiptOutcome,
    WriteStats,
};

use crate::core::model::{App, AppIdent, ChannelName, ServerEvent, SocketId, Timestamp};
use crate::core::ports::{Dialect, DialectId, Gauges, Metrics, PresenceStore};
use member_changes::MemberChangeBatcher;
use write::{FlushInline, is_corked, schedule_flush};

/// The connections of this node, by app.
pub struct Hub {
    process: u64,
    counter: AtomicU64,
    connections: AtomicU64,
    dialects: Dialects,
    metrics: Arc<dyn Metrics>,
    scheduler: Arc<dyn FlushScheduler>,
    /// The members of presence channels on other nodes, for peer channels.
    presence: OnceLock<Arc<dyn PresenceStore>>,
    apps: RwLock<HashMap<AppIdent, Arc<AppHub>>>,
    member_changes: MemberChangeBatcher,
}

/// Mailboxes that a fan-out reads before it fills them: their first cache lines fit a core's own
/// cache.
const PREFETCHED_MAILBOXES: usize = 32;

/// A limit for connections is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityExceeded {
    /// The node's limit.
    Node,
    /// The app's limit.
    App,
}

impl Hub {
    /// An empty hub. `process` is the random part of this process's socket ids. Corked futures
    /// flush on their own thread, unless [`Hub::with_flush_scheduler`] sets a scheduler.
    pub fn new(process: u64, dialects: Dialects, metrics: Arc<dyn Metrics>) -> Self {
        let (counter, connections) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            process,
            counter,
            connections,
            dialects,
            metrics,
            scheduler: Arc::new(FlushInline),
            presence: OnceLock::new(),
            apps: RwLock::default(),
            member_changes: MemberChangeBatcher::default(),
        }
    }

    /// Sets the scheduler that writes what corked futures deliver.
    pub fn with_flush_scheduler(mut self, scheduler: Arc<dyn FlushScheduler>) -> Self {
        self.scheduler = scheduler;
        self
    }

    /// Corks a future that delivers to connections: what one poll delivers is written at its end.
    /// Every task that publishes or receives messages runs corked.
    pub fn cork<F>(&self, future: F) -> Corked<F> {
        Corked::new(future, Arc::clone(&self.scheduler))
    }

    /// A dialect.
    pub fn dialect(&self, id: DialectId) -> &dyn Dialect {
        &*self.dialects[id as usize]
    }

    /// Sets the store of the users who are present on other nodes. The first call counts.
    pub fn set_presence(&self, presence: Arc<dyn PresenceStore>) {
        let _ = self.presence.set(presence);
    }

    /// The number of this process, as in its socket ids.
    pub fn process(&self) -> u64 {
        self.process
    }

    /// The number of channels with subscriptions, over all apps.
    pub fn channel_count(&self) -> u64 {
        let apps = self.apps.read();
        apps.values().map(|app| app.channel_count()).sum()
    }

    /// The number of connections, over all apps.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Registers a connection. `node_limit` and `app_limit` are numbers of connections (0: no
    /// limit), `pending_bytes` bounds its mailbox (0: no bound). It is removed when the
    /// [`Connection`] is dropped.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn connect(
        self: &Arc<Self>,
        app: &Arc<App>,
        dialect: DialectId,
        (node_limit, app_limit): (u64, u64),
        pending_bytes: u64,
        origin: ConnectionOrigin,
    ) -> Result<Connection, CapacityExceeded> {
        let count = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        // Its drop decrements the count on every early return.
        let slot = NodeSlot(Arc::clone(self));
        if node_limit != 0 && count > node_limit {
            return Err(CapacityExceeded::Node);
        }
        let id = SocketId {
            process: self.process,
            counter: self.counter.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let mailbox = Arc::new(Mailbox::new(id, dialect, pending_bytes, origin));
        let app_hub = self.app_hub(app);
        let key = app_hub
            .connect(Arc::clone(&mailbox), app_limit)
            .ok_or(CapacityExceeded::App)?;
        self.metrics.opened();
        Ok(Connection::new(slot, app_hub, key, mailbox))
    }

    fn app_hub(&self, app: &Arc<App>) -> Arc<AppHub> {
        if let Some(found) = self.apps.read().get(&app.ident) {
            return Arc::clone(found);
        }
        let mut apps = self.apps.write();
        let presence = self.presence.get();
        Arc::clone(
            apps.entry(app.ident.clone())
                .or_insert_with(|| Arc::new(AppHub::new(Arc::clone(app), presence.cloned()))),
        )
    }

    /// The part of one app; `None`: it has had no connection since the start.
    pub fn app(&self, ident: &AppIdent) -> Option<Arc<AppHub>> {
        self.apps.read().get(ident).cloned()
    }

    /// The apps that have had a connection since the start.
    pub fn app_idents(&self) -> Vec<AppIdent> {
        self.apps.read().keys().cloned().collect()
    }

    /// Applies a change of an app; `None`: it was deleted. The connections of a disabled or deleted
    /// app are closed.
    pub fn update_app(&self, ident: &AppIdent, app: Option<&Arc<App>>) {
        let Some(hub) = self.app(ident) else { return };
        match app {
            Some(app) => {
                let previous = hub.replace(Arc::clone(app));
                if previous.settings.limits.max_message_bytes
                    != app.settings.limits.max_message_bytes
                {
                    hub.push_limit_changed();
                }
                if !app.settings.enabled {
                    hub.close_all(CloseReason::AppDisabled);
                }
            }
            None => {
                hub.close_all(CloseReason::AppDeleted);
                self.apps.write().remove(ident);
            }
        }
    }

    /// The node's metrics.
    pub fn metrics(&self) -> &Arc<dyn Metrics> {
        &self.metrics
    }

    /// The current values of the gauges.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            connections: self.connections(),
            ..Gauges::default()
        };
        for app in self.apps.read().values() {
            app.add_to_gauges(&mut gauges);
        }
        gauges
    }

    /// The mailbox of every connection, for a shutdown that closes them over time.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let apps: Vec<_> = self.apps.read().values().cloned().collect();
        apps.iter().flat_map(|app| app.mailboxes()).collect()
    }

    /// Whether a channel's count may be sent now; otherwise [`Hub::take_due_counts`] returns the
    /// channel later.
    pub fn count_allowed(&self, app: &AppIdent, channel: &ChannelName, now: Timestamp) -> bool {
        self.app(app)
            .is_none_or(|app| app.count_allowed(channel, now))
    }

    /// Sends a channel's subscription count to its subscribers, unless they received one a moment
    /// ago.
    pub fn send_count(&self, app: &AppIdent, channel: ChannelName, count: u64, now: Timestamp) {
        let targets = self
            .app(app)
            .and_then(|app| app.count_targets(&channel, count, now));
        if let Some(targets) = targets {
            let event = ServerEvent::SubscriptionCount { channel, count };
            self.fan_out(&targets, Broadcast::new(event, None), None);
        }
    }

    /// Removes and returns the channels whose subscription count must be sent now.
    pub fn take_due_counts(&self, now: Timestamp) -> Vec<(AppIdent, ChannelName)> {
        let apps: Vec<_> = self
            .apps
            .read()
            .iter()
            .map(|(ident, app)| (ident.clone(), Arc::clone(app)))
            .collect();
        apps.into_iter()
            .flat_map(|(ident, app)| {
                app.take_due_counts(now)
                    .into_iter()
                    .map(move |channel| (ident.clone(), channel))
            })
            .collect()
    }

    /// Delivers a broadcast into the mailboxes, except that of `exclude`, and schedules the flushes
    /// that are due.
    fn fan_out(&self, targets: &[Arc<Mailbox>], broadcast: Broadcast, exclude: Option<SocketId>) {
        if targets.is_empty() {
            return;
        }
        self.metrics
            .delivered(targets.len() as u64 * broadcast.frame_count());
        let broadcast = Arc::new(broadcast);
        let corked = is_corked();
        let mut sent = WriteStats::default();
        for chunk in targets.chunks(PREFETCHED_MAILBOXES) {
            // Read before the first lock is taken, so that the loads of one chunk overlap.
            for mailbox in chunk {
                broadcast.encode(mailbox.dialect(), &self.dialects);
            }
            for mailbox in chunk {
                if Some(mailbox.id()) == exclude {
                    continue;
                }
                match mailbox.deliver(&broadcast, corked) {
                    Delivered::Queued => {}
                    Delivered::FlushDue => schedule_flush(mailbox),
                    Delivered::Written(stats) => sent += stats,
                }
            }
        }
        if sent.frames > 0 {
            self.metrics.sent(sent.frames, sent.bytes);
        }
    }
}

/// A connection's share of the node's limit; released on drop.
struct NodeSlot(Arc<Hub>);

impl Drop for NodeSlot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
