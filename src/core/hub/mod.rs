//! Who is connected and on what; fan-out; mailboxes.
//!
//! Synchronous and without I/O. What must agree (connections, channels and local presence of one app) sits under
//! one lock, held neither across an await nor across a fan-out.

mod app;
mod batch;
mod broadcast;
mod channel;
mod connection;
mod mailbox;
mod member_changes;
mod outlet;
mod parcel;
mod signed;
mod subscriptions;
mod tally;
mod waiting;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use member_changes::{ChangeChunk, ChannelKey, MemberChangeBatcher};
use parking_lot::RwLock;

pub use app::{AppHub, DisconnectOutcome, SubscribeOutcome, UnsubscribeOutcome};
pub use batch::{FlushBatch, FlushScheduler};
pub use broadcast::{Broadcast, Dialects, MemberChange};
pub use connection::{Connection, Released, SubscribedVia, Subscription};
pub use mailbox::Mailbox;
pub use outlet::{BatchWriter, Corked, DirectWriter, Write, WriteStats};
pub use parcel::{CloseReason, MailboxItem, Outcome, Receipt};
pub use signed::SignedIn;

use crate::core::model::{
    App, AppIdent, ChannelName, PeerChannel, ServerEvent, SocketId, Timestamp,
};
use crate::core::ports::{BusMessage, BusSink, DialectId, Gauges, Metrics, PresenceStore};

/// Everybody who is connected to this node.
pub struct Hub {
    process: u64,
    counter: AtomicU64,
    connections: AtomicU64,
    dialects: Dialects,
    metrics: Arc<dyn Metrics>,
    /// Who is on the presence channels, for the peer channels that follow from them.
    presence: OnceLock<Arc<dyn PresenceStore>>,
    apps: RwLock<HashMap<AppIdent, Arc<AppHub>>>,
    gathering: MemberChangeBatcher,
}

/// So many connections on a presence channel are told at once who came or went; more are told together with what else
/// happens in the same moment.
const TOLD_AT_ONCE: u64 = 64;

/// Mailboxes that a fan-out looks at before it fills them: their first lines fit a core's own cache.
const AHEAD: usize = 32;

/// No further connection fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The node has its limit.
    Node,
    /// The app has its limit.
    App,
}

impl Hub {
    /// An empty hub. `process` is the random part of this process's socket ids.
    pub fn new(process: u64, dialects: Dialects, metrics: Arc<dyn Metrics>) -> Self {
        let (counter, connections) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            process,
            counter,
            connections,
            dialects,
            metrics,
            presence: OnceLock::new(),
            apps: RwLock::default(),
            gathering: MemberChangeBatcher::default(),
        }
    }

    /// Says who knows which users are present on other nodes; the first to be attached stays.
    pub fn set_sink(&self, presence: Arc<dyn PresenceStore>) {
        let _ = self.presence.set(presence);
    }

    /// Connections of this node, over all apps.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Takes a connection in. `node_limit` and `app_limit` are numbers of connections (0: none), `pending_bytes` bounds
    /// its mailbox. It is gone when the [`Connection`] is dropped.
    pub fn connect(
        self: &Arc<Self>,
        app: &Arc<App>,
        dialect: DialectId,
        (node_limit, app_limit): (u64, u64),
        pending_bytes: u64,
    ) -> Result<Connection, Full> {
        let count = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        // Given back by the guard's drop on every way out that does not hand it on.
        let place = NodeSlot(Arc::clone(self));
        if node_limit != 0 && count > node_limit {
            return Err(Full::Node);
        }
        let id = SocketId {
            process: self.process,
            counter: self.counter.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let mailbox = Arc::new(Mailbox::new(id, dialect, pending_bytes));
        let app_hub = self.app_hub(app);
        let slot = app_hub
            .enter(Arc::clone(&mailbox), app_limit)
            .ok_or(Full::App)?;
        self.metrics.opened();
        Ok(Connection::new(place, app_hub, slot, mailbox))
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

    /// One app's part, where anybody of it was connected since the start.
    pub fn app(&self, ident: &AppIdent) -> Option<Arc<AppHub>> {
        self.apps.read().get(ident).cloned()
    }

    /// The apps of which anybody was connected since the start.
    pub fn idents(&self) -> Vec<AppIdent> {
        self.apps.read().keys().cloned().collect()
    }

    /// Tells the app's connections what the app is now; `None`: it is gone. A disabled or deleted app's are closed.
    pub fn app_changed(&self, ident: &AppIdent, app: Option<&Arc<App>>) {
        let Some(hub) = self.app(ident) else { return };
        match app {
            Some(app) => {
                let before = hub.replace(Arc::clone(app));
                if before.settings.limits.max_message_bytes != app.settings.limits.max_message_bytes
                {
                    hub.limit_changed();
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

    /// Where things are counted.
    pub fn metrics(&self) -> &Arc<dyn Metrics> {
        &self.metrics
    }

    /// What stands now.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            connections: self.connections(),
            ..Gauges::default()
        };
        for app in self.apps.read().values() {
            app.count(&mut gauges);
        }
        gauges
    }

    /// Every connection of the node, for a shutdown that closes them at a pace.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let apps: Vec<_> = self.apps.read().values().cloned().collect();
        apps.iter().flat_map(|app| app.mailboxes()).collect()
    }

    /// Whether a channel's subscribers may be told now how many they are; otherwise [`Hub::take_due`] names them later.
    pub fn may_count(&self, app: &AppIdent, channel: &ChannelName, now: Timestamp) -> bool {
        self.app(app).is_none_or(|app| app.may_count(channel, now))
    }

    /// Tells a channel's subscribers how many they are, unless they were told a moment ago.
    pub fn count(&self, app: &AppIdent, channel: ChannelName, count: u64, now: Timestamp) {
        let targets = self
            .app(app)
            .and_then(|app| app.counted(&channel, count, now));
        if let Some(targets) = targets {
            let event = ServerEvent::SubscriptionCount { channel, count };
            self.fan_out(&targets, Broadcast::new(event, None), None);
        }
    }

    /// Takes the channels whose subscribers are due to be told how many they are.
    pub fn take_due(&self, now: Timestamp) -> Vec<(AppIdent, ChannelName)> {
        let apps: Vec<_> = self
            .apps
            .read()
            .iter()
            .map(|(ident, app)| (ident.clone(), Arc::clone(app)))
            .collect();
        apps.into_iter()
            .flat_map(|(ident, app)| {
                app.take_due(now)
                    .into_iter()
                    .map(move |channel| (ident.clone(), channel))
            })
            .collect()
    }

    /// Puts a broadcast into the mailboxes, except that of `exclude`.
    fn fan_out(&self, targets: &[Arc<Mailbox>], broadcast: Broadcast, exclude: Option<SocketId>) {
        if targets.is_empty() {
            return;
        }
        self.metrics
            .delivered(targets.len() as u64 * broadcast.frame_count());
        let broadcast = Arc::new(broadcast);
        let mut sent = WriteStats::default();
        for some in targets.chunks(AHEAD) {
            // Looked at before the first lock is taken, so that what one waits for from memory comes with the others'.
            for mailbox in some {
                broadcast.encode(mailbox.dialect(), &self.dialects);
            }
            for mailbox in some {
                if Some(mailbox.id()) != exclude {
                    sent += mailbox.deliver(&broadcast);
                }
            }
        }
        if sent.frames > 0 {
            self.metrics.sent(sent.frames, sent.bytes);
        }
    }
}

impl Hub {
    /// Ready once there is something new for [`Hub::tell_gathered`]; one task at a time can wait.
    pub fn poll_gathered(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.gathering.poll_grown(cx)
    }

    /// Tells those on large presence channels who came and went; answers into how many mailboxes that was put. Nothing of it is
    /// told before this is called, unless an event follows that must not overtake it.
    pub fn tell_gathered(&self) -> u64 {
        self.gathering
            .spots()
            .iter()
            .map(|spot| self.tell(spot))
            .sum()
    }

    fn tell(&self, spot: &ChannelKey) -> u64 {
        let (mut mine, mut told) = (false, 0);
        while let Some(portion) = self.gathering.take(spot, &mut mine) {
            match portion {
                ChangeChunk::Changes(changes) => told += self.tell_changes(spot, changes),
                ChangeChunk::Other(message) => self.tell_now(message),
            }
        }
        told
    }

    fn tell_changes(&self, (app, channel): &ChannelKey, changes: Vec<BusMessage>) -> u64 {
        let Some(app) = self.app(app) else { return 0 };
        let targets = app.targets(channel);
        let mut changes: Vec<MemberChange> =
            changes.into_iter().filter_map(member_change).collect();
        if changes.len() > 1 {
            let batch = Broadcast::member_changes(channel.clone(), changes);
            self.fan_out(&targets, batch, None);
        } else if let Some(change) = changes.pop() {
            let broadcast = Broadcast::new(change.event, change.version);
            self.fan_out(&targets, broadcast, change.exclude);
        }
        targets.len() as u64
    }

    fn member_changed(&self, message: BusMessage) {
        let Some((app, channel)) = message.channel() else {
            return;
        };
        let Some(hub) = self.app(app) else { return };
        let spot = (app.clone(), channel.clone());
        if hub.occupancy(channel).subscriptions > TOLD_AT_ONCE || self.gathering.has(&spot) {
            self.gathering.put(spot, message);
        } else {
            self.tell_changes(&spot, vec![message]);
        }
    }

    /// Sends an event to the subscribers of its channel, or to the watchers of its user.
    fn tell_now(&self, message: BusMessage) {
        let BusMessage::Broadcast {
            app,
            event,
            exclude,
            version,
        } = message
        else {
            return;
        };
        let Some(app) = self.app(&app) else { return };
        if let ServerEvent::UserStatus { user, .. } = &event {
            let watchers = app.watchers(user);
            self.fan_out(&watchers, Broadcast::new(event, version), exclude);
        } else if let Some(channel) = event.channel() {
            let targets = app.targets(channel);
            self.fan_out(&targets, Broadcast::new(event, version), exclude);
        }
    }
}

/// The member change that a message carries.
fn member_change(message: BusMessage) -> Option<MemberChange> {
    match message {
        BusMessage::Broadcast {
            event,
            exclude,
            version,
            ..
        } if event.is_member_change() => Some(MemberChange {
            event,
            exclude,
            version,
        }),
        _ => None,
    }
}

impl BusSink for Hub {
    fn deliver(&self, message: BusMessage) {
        match message {
            BusMessage::Broadcast { ref event, .. } => match event {
                ServerEvent::Published { .. } => match self.gathering.behind(message) {
                    Ok(spot) => drop(self.tell(&spot)),
                    Err(message) => self.tell_now(message),
                },
                ServerEvent::MemberAdded { .. } | ServerEvent::MemberRemoved { .. } => {
                    self.member_changed(message)
                }
                ServerEvent::UserStatus { .. } => self.tell_now(message),
                // The service passes it on through `Hub::count`, which limits the rate.
                ServerEvent::SubscriptionCount { .. } => {}
            },
            BusMessage::SubscriptionsChanged { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.aliases_changed(&user);
                }
            }
            BusMessage::UserTerminated { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.terminate(&user);
                }
            }
            // The service handles these before the hub receives them.
            BusMessage::AppChanged(_) | BusMessage::SessionEnded(_) | BusMessage::NodeGone => {}
        }
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        let Some(app) = self.app(app) else {
            return false;
        };
        let presence = || {
            PeerChannel::parse(channel.as_str())
                .is_some_and(|peer| app.is_occupied(&peer.presence()))
        };
        app.is_occupied(channel.as_str()) || presence()
    }

    fn resumed(&self) {
        let apps: Vec<_> = self.apps.read().values().cloned().collect();
        for app in apps {
            app.all_aliases_changed();
        }
    }
}

/// A connection's share of the node's limit; given back when dropped.
pub(super) struct NodeSlot(Arc<Hub>);

impl Drop for NodeSlot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
