//! Digests: the events of a window in one e-mail.

use std::collections::BTreeSet;

use super::NotificationSender;
use super::batch::{Batch, notification};
use super::settlements::problem;
use crate::core::error::StorageError;
use crate::core::model::{
    App, ChannelKind, ChannelName, Claim, DigestWindow, Notification, NotificationTarget, Secret,
    TargetFilter, TargetKind,
};
use crate::core::ports::Disposition;

/// The most events of one digest, which has [`DigestContent::MAX_BYTES`](crate::core::model::DigestContent::MAX_BYTES) at most, from
/// [`OLDEST_BYTES`](crate::core::ports::OLDEST_BYTES) of events. The rest waits for the end of its own window.
const MAX_EVENTS: usize = 1000;

/// The registrations of an address that are read; events for further ones are in its digests without a check.
const REGISTRATIONS: usize = 1000;

/// The registrations of one address.
struct Registrations(Vec<NotificationTarget>);

impl Registrations {
    /// That for which the address gets the events of a channel in digests of a window: of the channel, else of a user.
    fn of(&self, channel: &ChannelName, window: DigestWindow) -> Option<&NotificationTarget> {
        let of_channel = |one: &&NotificationTarget| one.channel == *channel;
        let of_user = |one: &&NotificationTarget| one.channel.kind() == ChannelKind::Personal;
        let fits = |one: &&NotificationTarget| one.digest == Some(window);
        let all = || self.0.iter();
        all()
            .find(|one| of_channel(one) && fits(one))
            .or_else(|| all().find(|one| of_user(one) && fits(one)))
            .or_else(|| all().find(of_channel))
            .or_else(|| all().find(of_user))
            .or_else(|| all().next().filter(|_| self.0.len() == REGISTRATIONS))
    }
}

impl NotificationSender {
    /// Sends what an address has at the end of a window; `true`: it has more.
    pub(super) async fn send_digest(
        &self,
        app: &App,
        claim: &Claim,
        (kind, address): (TargetKind, &str),
        window: DigestWindow,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let oldest = self.stores.outbox.oldest(claim, 1).await?;
        let Some(oldest) = oldest.first() else {
            return self.free(claim, now).await;
        };
        // Not from `since`: what is replayed is sent at once.
        let end = oldest.at.plus(window.duration());
        if end > now {
            return self.free(claim, end).await;
        }
        let events = self.stores.outbox.oldest(claim, MAX_EVENTS + 1).await?;
        let registered = self.registrations(claim, kind, address).await?;
        let known = known_elsewhere(&registered, kind, address, window);
        let (mut listed, mut target, mut is_registered) = (Vec::new(), None, false);
        for (place, event) in events.iter().take(MAX_EVENTS).enumerate() {
            let Some(notification) = notification(event) else {
                continue;
            };
            let Some(found) = registered.of(&event.channel, window) else {
                continue;
            };
            is_registered = true;
            if !self.is_known_to(claim, &known, notification).await? {
                listed.push((place, notification));
                target.get_or_insert(found);
            }
        }
        let first = |most| {
            let batch = Batch::of(&events, most);
            let since = batch.since.max(end);
            Batch { since, ..batch }
        };
        let all = first(MAX_EVENTS);
        let Some(target) = target else {
            if !is_registered {
                return self.discard(claim, all).await;
            }
            let attempt = problem("another registration of the target sends it");
            return self
                .settle(claim, Disposition::Delivered, all, attempt, None)
                .await;
        };
        let notifications: Vec<&Notification> = listed.iter().map(|(_, one)| *one).collect();
        let (message, sent) = match self.couriers.digest(app, target, &notifications, now) {
            Ok((message, sent)) => (Ok(message), sent),
            Err(failure) => (Err(failure), listed.len()),
        };
        let batch = match listed.get(sent) {
            None => all,
            Some((next, _)) => first(*next),
        };
        // The events are not held while the server is waited for.
        drop(events);
        let result = match message {
            Ok(message) => self.couriers.send_mail(&message).await,
            Err(failure) => Err(failure),
        };
        self.conclude(app, claim, (kind, address), batch, result)
            .await
    }

    async fn registrations(
        &self,
        claim: &Claim,
        kind: TargetKind,
        address: &str,
    ) -> Result<Registrations, StorageError> {
        let filter = TargetFilter {
            address: Some(Secret::new(address)),
            channel: None,
        };
        let targets = &self.stores.targets;
        let found = targets.list_targets(&claim.app, kind, &filter, 0, REGISTRATIONS);
        Ok(Registrations(found.await?))
    }

    /// Whether a notification of the same publish waits in one of these queues, or was sent from it.
    pub(super) async fn is_known_to(
        &self,
        claim: &Claim,
        queues: &BTreeSet<String>,
        notification: &Notification,
    ) -> Result<bool, StorageError> {
        for queue in queues {
            let log = &self.stores.notifications;
            if log
                .is_known(&claim.app, queue, &notification.publish)
                .await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The queues of an address whose notifications a digest leaves to them: that of single mails, and of digests with shorter windows.
fn known_elsewhere(
    registered: &Registrations,
    kind: TargetKind,
    address: &str,
    window: DigestWindow,
) -> BTreeSet<String> {
    let always = registered.0.iter().filter(|one| one.away.is_none());
    let queues = always.filter_map(|one| match one.digest {
        None => Some(kind.outbox_address(address)),
        Some(other) => (other < window).then(|| kind.digest_address(address, other)),
    });
    queues.collect()
}
