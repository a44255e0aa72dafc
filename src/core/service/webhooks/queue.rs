//! Recording webhook events in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::filter::{addresses, tracks_members, tracks_occupancy, wants_any};
use super::grace_period::{Departure, Departures};
use crate::core::model::{
    App, ChannelName, ClientEventDetails, NewEvent, OutboxEvent, OutboxEventKind, UserId,
    WebhookEvent,
};
use crate::core::ports::{Clock, Nodes, OccupancyChange, OccupancyUpdate, Outbox};
use crate::core::service::app_cache::AppCache;

/// How long `channel_vacated` and `member_removed` are held back: a client that reconnects in time causes neither (the
/// Pusher documentation).
pub(super) const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// The events that may wait in memory while the store is unavailable; later ones are dropped.
const MAX_PENDING: usize = 100_000;

/// The webhook events of this node on their way into the outbox.
pub struct WebhookQueue {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) nodes: Nodes,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) apps: Arc<AppCache>,
    /// No other node uses the store.
    pub(super) single_node: bool,
    pub(super) pending: Mutex<PendingEvents>,
    /// Wakes [`WebhookQueue::run`].
    pub(super) recorded: Notify,
    /// Wakes [`OutboxSender`](super::OutboxSender).
    pub(super) stored: Notify,
}

#[derive(Default)]
pub(super) struct PendingEvents {
    pub events: VecDeque<OutboxEvent>,
    pub departures: Departures,
    /// How many events were dropped since this was last logged.
    pub dropped: u64,
}

impl WebhookQueue {
    pub(in crate::core::service) fn new(
        outbox: Arc<dyn Outbox>,
        nodes: Nodes,
        clock: Arc<dyn Clock>,
        apps: Arc<AppCache>,
        single_node: bool,
    ) -> Self {
        Self {
            outbox,
            nodes,
            clock,
            apps,
            single_node,
            pending: Mutex::default(),
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

    /// Records a client event; `user`: the sender on a presence channel.
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
        let addresses = addresses(app, channel, kind.webhook_event());
        OutboxEvent {
            app: app.ident.clone(),
            channel: channel.clone(),
            at: self.clock.now(),
            kind,
            addresses,
        }
    }

    pub(super) fn push(&self, event: OutboxEvent) {
        let mut pending = self.pending.lock();
        if pending.events.len() >= MAX_PENDING {
            pending.dropped += 1;
            return;
        }
        pending.events.push_back(event);
        drop(pending);
        self.recorded.notify_one();
    }

    pub(super) fn add_departure(&self, departure: Departure) {
        self.defer(departure);
        self.recorded.notify_one();
    }

    /// Has a departure checked (again) after the grace period.
    pub(super) fn defer(&self, departure: Departure) {
        self.pending
            .lock()
            .departures
            .add(departure, Instant::now() + GRACE_PERIOD);
    }

    pub(super) fn has_departure(&self, departure: &Departure) -> bool {
        self.pending.lock().departures.contains(departure)
    }

    /// Wakes the sender: the outbox has new events.
    pub(in crate::core::service) fn notify_sender(&self) {
        self.stored.notify_one();
    }
}
