//! Recording webhook events in memory.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::address_lists::AddressLists;
use super::filter::{addresses, tracks_members, tracks_occupancy, wants_any};
use super::grace_period::{Departure, Departures};
use super::losses::Losses;
use crate::core::fair_queue::{EntrySize, FairQueue, QueueBounds, QueueFull};
use crate::core::model::{
    App, ChannelName, ClientEventDetails, Limits, NewEvent, OutboxEvent, OutboxEventKind, UserId,
    WebhookEvent,
};
use crate::core::ports::{
    Clock, DeliveryLog, Metrics, Nodes, OccupancyChange, OccupancyUpdate, Outbox, QueueKind, Stores,
};
use crate::core::queue_losses::QueueLosses;
use crate::core::service::app_cache::AppCache;
use crate::core::service::webhook_changes::WebhookChanges;

/// How long `channel_vacated` and `member_removed` are held back: a client that reconnects in time causes neither (the
/// Pusher documentation).
pub(super) const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// The bytes of an event in memory, and of its row in the store, besides its texts, about.
const EVENT_BYTES: usize = 400;

/// The webhook events of this node on their way into the outbox, bounded in bytes by app and in all
/// (`PUSHI_MAX_QUEUED_BYTES`). An event above the bound is lost, which the delivery log shows; where it was an arrival or
/// departure, presence is compared later.
pub struct WebhookQueue {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) deliveries: Arc<dyn DeliveryLog>,
    pub(super) nodes: Nodes,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) apps: Arc<AppCache>,
    /// No other node uses the store.
    pub(super) single_node: bool,
    /// The most bytes of one app in the outbox; 0: no limit.
    pub(super) outbox_bytes: u64,
    pub(super) pending: Mutex<PendingEvents>,
    pub(super) lost: [QueueLosses; 2],
    /// The apps that lost arrivals or departures.
    pub(super) missed: WebhookChanges,
    /// Wakes [`WebhookQueue::run`].
    pub(super) recorded: Notify,
    /// Wakes [`OutboxSender`](super::OutboxSender).
    pub(super) stored: Notify,
}

pub(super) struct PendingEvents {
    pub events: FairQueue<OutboxEvent>,
    pub addresses: AddressLists,
    pub departures: Departures,
    pub losses: Losses,
}

impl WebhookQueue {
    pub(in crate::core::service) fn new(
        stores: &Stores,
        nodes: Nodes,
        clock: Arc<dyn Clock>,
        apps: Arc<AppCache>,
        single_node: bool,
        limits: &Limits,
        metrics: &Arc<dyn Metrics>,
    ) -> Self {
        let bounds = QueueBounds::new(limits.queued_bytes, limits.queued_bytes_all);
        let lost = [QueueKind::Webhook, QueueKind::Outbox]
            .map(|queue| QueueLosses::new(queue, Arc::clone(metrics)));
        Self {
            outbox: Arc::clone(&stores.outbox),
            deliveries: Arc::clone(&stores.deliveries),
            nodes,
            clock,
            apps,
            single_node,
            outbox_bytes: limits.outbox_bytes,
            pending: Mutex::new(PendingEvents {
                events: FairQueue::new(bounds),
                addresses: AddressLists::default(),
                departures: Departures::new(bounds),
                losses: Losses::default(),
            }),
            lost,
            missed: WebhookChanges::default(),
            recorded: Notify::new(),
            stored: Notify::new(),
        }
    }

    /// Records an event that does not change the reported presence.
    pub(in crate::core::service) fn record(
        &self,
        app: &App,
        channel: &ChannelName,
        event: WebhookEvent,
        kind: impl FnOnce() -> OutboxEventKind,
    ) {
        if wants_any(app, channel, &[event]) {
            self.push(self.event(app, channel, kind()));
        }
    }

    /// Records the result of a recount; `announced`: the subscribers receive the count, too.
    pub(in crate::core::service) fn record_count(
        &self,
        app: &App,
        channel: &ChannelName,
        update: OccupancyUpdate,
        announced: bool,
    ) {
        if let Some(change) = update.change
            && tracks_occupancy(app, channel)
        {
            let is_occupied = change == OccupancyChange::Occupied;
            self.record_presence(app, channel, None, is_occupied);
        }
        if announced {
            self.record(app, channel, WebhookEvent::SubscriptionCount, || {
                OutboxEventKind::SubscriptionCount(update.subscriptions)
            });
        }
    }

    /// Records that a user joined a presence channel, or left it.
    pub(in crate::core::service) fn record_member(
        &self,
        app: &App,
        channel: &ChannelName,
        user: &UserId,
        is_present: bool,
    ) {
        if tracks_members(app, channel) {
            self.record_presence(app, channel, Some(user), is_present);
        }
    }

    /// An arrival is recorded at once, also after a short absence: the outbox skips duplicates. A departure is checked again
    /// after the grace period, so the order of two records for one user does not matter.
    fn record_presence(
        &self,
        app: &App,
        channel: &ChannelName,
        user: Option<&UserId>,
        is_present: bool,
    ) {
        if is_present {
            self.push(self.event(app, channel, OutboxEventKind::arrived(user.cloned())));
        } else {
            self.add_departure(Departure {
                app: app.ident.clone(),
                channel: channel.clone(),
                user: user.cloned(),
            });
        }
    }

    /// Records a client event: one with its name, on a channel whose members may send them, of an app that allows it. `user`:
    /// the sender on a presence channel.
    pub(in crate::core::service) fn record_client_event(
        &self,
        app: &App,
        event: &NewEvent,
        user: impl FnOnce() -> Option<UserId>,
    ) {
        // Other events of Pushi sockets are publishes like those over REST.
        let Some(socket) = event
            .owner_id
            .as_ref()
            .filter(|_| event.payload.event.starts_with("client-"))
            .filter(|_| app.settings.client_events && event.channel.takes_client_events())
        else {
            return;
        };
        self.record(app, &event.channel, WebhookEvent::ClientEvent, || {
            OutboxEventKind::ClientEvent(ClientEventDetails {
                event: Arc::clone(&event.payload.event),
                data: Arc::clone(&event.payload.data),
                socket: Arc::clone(socket),
                user: user(),
            })
        });
    }

    /// An event that happens now, for the webhooks that receive it.
    pub(super) fn event(
        &self,
        app: &App,
        channel: &ChannelName,
        kind: OutboxEventKind,
    ) -> OutboxEvent {
        let addresses = match kind.webhook_event() {
            Some(event) => addresses(app, channel, event),
            None => [].into(),
        };
        OutboxEvent {
            app: app.ident.clone(),
            channel: channel.clone(),
            at: self.clock.now(),
            kind,
            addresses,
        }
    }

    pub(super) fn push(&self, mut event: OutboxEvent) {
        let mut pending = self.pending.lock();
        let size = pending.size(&mut event);
        let app = event.app.clone();
        if pending.events.has_space(&app, size.bytes) {
            pending.events.push_accepted(&app, event, size);
            drop(pending);
        } else {
            pending.losses.add(&event, QueueKind::Webhook);
            drop(pending);
            self.lost[0].add(&app, 1);
        }
        self.recorded.notify_one();
    }

    pub(super) fn add_departure(&self, departure: Departure) {
        self.defer(departure);
        self.recorded.notify_one();
    }

    /// Has a departure checked (again) after the grace period.
    pub(super) fn defer(&self, departure: Departure) {
        let due = Instant::now() + GRACE_PERIOD;
        let app = departure.app.clone();
        let mut pending = self.pending.lock();
        if pending.departures.add(departure, due) == Err(QueueFull) {
            pending.losses.compare(&app);
            drop(pending);
            self.lost[0].add(&app, 1);
        }
    }

    pub(super) fn has_departure(&self, departure: &Departure) -> bool {
        self.pending.lock().departures.contains(departure)
    }

    /// The bytes that wait.
    pub(in crate::core::service) fn bytes(&self) -> u64 {
        let pending = self.pending.lock();
        (pending.events.bytes() + pending.departures.bytes()) as u64
    }

    /// Wakes the sender: the outbox has new events.
    pub(in crate::core::service) fn notify_sender(&self) {
        self.stored.notify_one();
    }
}

impl PendingEvents {
    /// The size of an event that is going to be queued. Its addresses are shared with the other events.
    pub(super) fn size(&mut self, event: &mut OutboxEvent) -> EntrySize {
        EntrySize {
            bytes: bytes(event) + self.addresses.share(event),
            work: work(event),
        }
    }
}

/// The bytes of an event in memory, without its addresses.
fn bytes(event: &OutboxEvent) -> usize {
    EVENT_BYTES + event.channel.as_str().len() + event.kind.bytes()
}

/// The bytes that the store writes: the event, once for each address.
pub(super) fn work(event: &OutboxEvent) -> usize {
    bytes(event) * event.addresses.len().max(1)
}
