//! Webhooks: what happens on channels is told to an app's back ends.
//!
//! What happened gathers in memory ([`Service::noticed`]), where nobody waits for it; [`Service::record`] writes it into the outbox
//! at once, many with one commit; [`Service::deliver`] sends what is due; [`Service::review`] finds what was missed. An app
//! without webhooks has no part in any of it.

mod backoff;
mod deliver;
mod leaving;
mod log;
mod record;
mod review;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use log::WebhookLog;

use self::leaving::{Leaving, Place};
use super::Service;
use crate::core::model::{
    App, AppIdent, ChannelName, ClientEventDetails, NewEvent, OutboxEvent, OutboxEventKind, UserId,
    Webhook, WebhookEvent,
};
use crate::core::ports::{OccupancyChange, OccupancyUpdate};

/// How long nobody is told that a channel is empty, or that a user has left: who comes back in time was never away (the
/// Pusher documentation).
const PATIENCE: Duration = Duration::from_secs(3);

/// Longer names of channels, in bytes, are not told: not every store can look them up.
const LONGEST_NAME: usize = 2000;

/// What may wait in memory while the store is away; what comes then is not told.
const MOST: usize = 100_000;

/// How webhooks are told, as configured.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRules {
    /// How long one attempt may take; one with the secret before the last rotation may follow it.
    pub timeout: Duration,
    /// For how long an address is tried again; zero: not at all.
    pub retry: Duration,
    /// No other node shares the store.
    pub alone: bool,
}

impl Default for WebhookRules {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            retry: Duration::from_secs(24 * 3600),
            alone: true,
        }
    }
}

/// What was noticed and is not in the outbox yet.
pub(super) struct Hooks {
    gathered: Mutex<Gathered>,
    /// Something gathered.
    filled: Notify,
    /// Something was put into the outbox.
    put: Notify,
    /// Apps whose webhooks have changed.
    changed: Mutex<HashSet<AppIdent>>,
    review: Notify,
    /// Another node has died.
    gone: Notify,
    /// The name of this node in the outbox.
    holder: String,
}

#[derive(Default)]
struct Gathered {
    happenings: VecDeque<OutboxEvent>,
    leaving: Leaving,
    lost: u64,
}

impl Hooks {
    pub fn new(holder: String) -> Self {
        let gathered = Mutex::default();
        Self {
            gathered,
            filled: Notify::new(),
            put: Notify::new(),
            changed: Mutex::default(),
            review: Notify::new(),
            gone: Notify::new(),
            holder,
        }
    }

    /// An app's webhooks have changed: what they are to remember may have, too.
    pub fn changed(&self, app: &AppIdent) {
        self.changed.lock().insert(app.clone());
        self.review.notify_one();
    }

    /// Another node has died: what it had alone is to be told.
    pub fn node_gone(&self) {
        self.gone.notify_one();
    }

    fn gather(&self, happening: OutboxEvent) {
        let mut gathered = self.gathered.lock();
        if gathered.happenings.len() >= MOST {
            gathered.lost += 1;
            return;
        }
        gathered.happenings.push_back(happening);
        drop(gathered);
        self.filled.notify_one();
    }

    fn is_leaving(&self, place: &Place) -> bool {
        self.gathered.lock().leaving.has(place)
    }

    fn leaves(&self, place: Place) {
        self.gathered
            .lock()
            .leaving
            .add(place, Instant::now() + PATIENCE);
        self.filled.notify_one();
    }
}

/// Whether one of the app's webhooks is told of any of these on a channel.
fn concerns(app: &App, channel: &ChannelName, events: &[WebhookEvent]) -> bool {
    let concerns = |webhook: &Webhook| {
        webhook.covers(channel) && events.iter().any(|event| webhook.wants(*event))
    };
    !app.settings.webhooks.is_empty()
        && channel.as_str().len() <= LONGEST_NAME
        && app.settings.webhooks.iter().any(concerns)
}

/// Whether it is remembered who is on a channel: anybody at all.
fn concerns_channel(app: &App, channel: &ChannelName) -> bool {
    concerns(
        app,
        channel,
        &[WebhookEvent::ChannelOccupied, WebhookEvent::ChannelVacated],
    )
}

/// The same for its members.
fn concerns_members(app: &App, channel: &ChannelName) -> bool {
    concerns(
        app,
        channel,
        &[WebhookEvent::MemberAdded, WebhookEvent::MemberRemoved],
    )
}

/// The webhooks that are told of this on a channel.
fn addresses(app: &App, channel: &ChannelName, event: WebhookEvent) -> Vec<Arc<str>> {
    let mut addresses: Vec<Arc<str>> = Vec::new();
    for webhook in app
        .settings
        .webhooks
        .iter()
        .filter(|webhook| webhook.covers(channel) && webhook.wants(event))
    {
        if !addresses.iter().any(|known| **known == *webhook.url) {
            addresses.push(webhook.url.as_str().into());
        }
    }
    addresses
}

impl Service {
    fn happening(&self, app: &App, channel: &ChannelName, what: OutboxEventKind) -> OutboxEvent {
        let addresses = addresses(app, channel, what.kind());
        OutboxEvent {
            app: app.ident.clone(),
            channel: channel.clone(),
            at: self.ports.clock.now(),
            what,
            addresses,
        }
    }

    /// Something happened that says nothing about who is there.
    pub(super) fn noticed(
        &self,
        app: &App,
        channel: &ChannelName,
        event: WebhookEvent,
        what: impl FnOnce() -> OutboxEventKind,
    ) {
        if concerns(app, channel, &[event]) {
            self.hooks.gather(self.happening(app, channel, what()));
        }
    }

    /// A channel was counted anew; `told`: its subscribers are told how many they are.
    pub(super) fn noticed_count(
        &self,
        app: &App,
        channel: &ChannelName,
        recount: OccupancyUpdate,
        told: bool,
    ) {
        if recount.turn.is_some() && concerns_channel(app, channel) {
            let vacated = recount.turn == Some(OccupancyChange::Vacated);
            self.noticed_standing(app, channel, None, !vacated);
        }
        if told {
            self.noticed(app, channel, WebhookEvent::SubscriptionCount, || {
                OutboxEventKind::SubscriptionCount(recount.subscriptions)
            });
        }
    }

    /// A user came to a presence channel, or left it.
    pub(super) fn noticed_member(
        &self,
        app: &App,
        channel: &ChannelName,
        user: &UserId,
        is_there: bool,
    ) {
        if concerns_members(app, channel) {
            self.noticed_standing(app, channel, Some(user), is_there);
        }
    }

    /// Who comes is told at once, also where it was away for a moment only: the outbox knows what is news. Whether who left
    /// has come back is looked at later, so it does not matter in which order two notices of one place come.
    fn noticed_standing(
        &self,
        app: &App,
        channel: &ChannelName,
        user: Option<&UserId>,
        is_there: bool,
    ) {
        if is_there {
            let what = user.map_or(OutboxEventKind::Occupied, |user| {
                OutboxEventKind::MemberAdded(user.clone())
            });
            self.hooks.gather(self.happening(app, channel, what));
        } else {
            self.hooks.leaves(Place {
                app: app.ident.clone(),
                channel: channel.clone(),
                user: user.cloned(),
            });
        }
    }

    /// A client said something to the others; `user`: who it is there.
    pub(super) fn noticed_client_event(
        &self,
        app: &App,
        event: &NewEvent,
        user: impl FnOnce() -> Option<UserId>,
    ) {
        // Other events of Pushi sockets are publishes like a back end's.
        let Some(socket) = event
            .owner_id
            .as_ref()
            .filter(|_| event.payload.event.starts_with("client-"))
        else {
            return;
        };
        self.noticed(app, &event.channel, WebhookEvent::ClientEvent, || {
            let (event, data) = (
                Arc::clone(&event.payload.event),
                Arc::clone(&event.payload.data),
            );
            OutboxEventKind::ClientEvent(ClientEventDetails {
                event,
                data,
                socket: Arc::clone(socket),
                user: user(),
            })
        });
    }
}
