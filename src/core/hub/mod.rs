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
pub use broadcast::{Broadcast, Dialects, MemberChange, ServerEvent};
pub use connection::{Connection, Released, SubscribedVia, Subscription};
pub use mailbox::Mailbox;
pub use outlet::{BatchWriter, Corked, DirectWriter, Write, WriteStats};
pub use parcel::{CloseReason, MailboxItem, Outcome, Receipt};
pub use signed::SignedIn;

use crate::core::model::{App, AppIdent, ChannelName, PeerChannel, SocketId, Timestamp};
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
            self.fan_out(&targets, ServerEvent::Count(channel, count), None);
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

    /// Puts a delivery into the mailboxes.
    fn fan_out(&self, targets: &[Arc<Mailbox>], content: ServerEvent, except: Option<SocketId>) {
        if targets.is_empty() {
            return;
        }
        self.metrics
            .delivered(targets.len() as u64 * content.frames());
        let delivery = Arc::new(Broadcast::new(content));
        let mut sent = WriteStats::default();
        for some in targets.chunks(AHEAD) {
            // Looked at before the first lock is taken, so that what one waits for from memory comes with the others'.
            for mailbox in some {
                delivery.encode(mailbox.dialect(), &self.dialects);
            }
            for mailbox in some {
                if Some(mailbox.id()) != except {
                    sent += mailbox.deliver(&delivery);
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
        let mut parts: Vec<MemberChange> = changes.into_iter().filter_map(part).collect();
        let targets = app.targets(channel);
        if parts.len() > 1 {
            self.fan_out(&targets, ServerEvent::Several(channel.clone(), parts), None);
        } else if let Some(MemberChange { content, socket }) = parts.pop() {
            self.fan_out(&targets, content, Some(socket));
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

    fn tell_now(&self, message: BusMessage) {
        let BusMessage::Event {
            event,
            position,
            except,
        } = message
        else {
            return;
        };
        let Some(app) = self.app(&event.app) else {
            return;
        };
        let targets = app.targets(&event.channel);
        self.fan_out(&targets, ServerEvent::Event(event, position), except);
    }
}

/// What is told of a change.
fn part(change: BusMessage) -> Option<MemberChange> {
    Some(match change {
        BusMessage::MemberAdded {
            channel,
            member,
            socket,
            version,
            ..
        } => MemberChange {
            content: ServerEvent::MemberAdded(channel, member, version),
            socket,
        },
        BusMessage::MemberRemoved {
            channel,
            member,
            socket,
            version,
            ..
        } => MemberChange {
            content: ServerEvent::MemberRemoved(channel, member, version),
            socket,
        },
        _ => return None,
    })
}

impl BusSink for Hub {
    fn deliver(&self, message: BusMessage) {
        match message {
            BusMessage::Event { .. } => match self.gathering.behind(message) {
                Ok(spot) => drop(self.tell(&spot)),
                Err(message) => self.tell_now(message),
            },
            BusMessage::MemberAdded { .. } | BusMessage::MemberRemoved { .. } => {
                self.member_changed(message)
            }
            BusMessage::SubscriptionsChanged { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.aliases_changed(&user);
                }
            }
            BusMessage::UserStatus {
                app,
                user,
                online,
                version,
            } => {
                let Some(app) = self.app(&app) else { return };
                let watchers = app.watchers(&user);
                self.fan_out(
                    &watchers,
                    ServerEvent::UserStatus(user, online, version),
                    None,
                );
            }
            BusMessage::UserTerminated { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.terminate(&user);
                }
            }
            // The service takes these; it hears them before the hub.
            BusMessage::SubscriptionCount { .. }
            | BusMessage::AppChanged(_)
            | BusMessage::SessionEnded(_)
            | BusMessage::NodeGone => {}
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
