//! Counts and checksums of the records of an app, to compare two stores.

use sha2::{Digest, Sha256};

use super::reader::{AppReader, CopyPage};
use super::store::{CopyError, CopyStore};
use super::transfer::last_event_id;
use crate::core::model::{
    App, Event, NotificationTarget, OutboxEvent, OutboxEventKind, Secret, UserId,
};

/// The kinds of records, in the order of the output.
pub(super) const KINDS: [&str; 9] = [
    "apps",
    "channels",
    "events",
    "subscriptions",
    "intervals",
    "cached events",
    "targets",
    "due events",
    "notifications",
];

/// For each kind, the number of records and the sum of their hashes, which does not depend on their
/// order.
#[derive(Default, PartialEq, Eq)]
pub(super) struct AppDigest([KindDigest; KINDS.len()]);

#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct KindDigest {
    count: u64,
    /// The sum over all SHA-256 hashes, byte by byte.
    digest: [u64; 32],
}

impl KindDigest {
    fn add(&mut self, members: &[Option<&str>]) {
        let mut hash = Sha256::new();
        for member in members {
            // Including the lengths, so that different lists of members have different hashes.
            hash.update(
                member
                    .map_or(u64::MAX, |text| text.len() as u64)
                    .to_be_bytes(),
            );
            hash.update(member.unwrap_or_default());
        }
        self.count += 1;
        for (sum, byte) in self.digest.iter_mut().zip(hash.finalize()) {
            *sum = sum.wrapping_add(u64::from(byte));
        }
    }
}

impl AppDigest {
    /// Reads an app from a store; calls `on_event` with the id of the last event of each page.
    pub(super) async fn read(
        store: &CopyStore,
        app: &App,
        mut on_event: impl FnMut(u64),
    ) -> Result<Self, CopyError> {
        let mut digest = Self::default();
        let stored = store
            .stores
            .apps
            .by_ident(&app.ident)
            .await
            .map_err(|error| store.error(error))?;
        if let Some(app) = stored {
            let Self([apps, ..]) = &mut digest;
            add_app(apps, &app);
        }
        let mut reader = AppReader::new(store, &app.ident, 0);
        while let Some(page) = reader.next().await? {
            digest.add(&page);
            last_event_id(&page).inspect(|id| on_event(*id));
        }
        Ok(digest)
    }

    fn add(&mut self, page: &CopyPage) {
        let Self(
            [
                _,
                channels,
                events,
                subscriptions,
                intervals,
                cached,
                targets,
                due,
                notifications,
            ],
        ) = self;
        match page {
            CopyPage::Channels(page) => {
                page.iter().for_each(|(name, head)| {
                    channels.add(&[Some(name.as_str()), Some(&head.to_string())])
                });
            }
            CopyPage::Events(page) => page.iter().for_each(|event| add_event(events, event)),
            CopyPage::Subscriptions(page) => {
                for row in page {
                    let numbers = format!("{} {} {}", row.id, row.start, row.created.micros());
                    subscriptions.add(&[
                        Some(row.user_id.as_str()),
                        Some(row.channel.as_str()),
                        Some(&numbers),
                    ]);
                }
            }
            CopyPage::Intervals(page) => {
                for row in page {
                    let numbers = format!("{} {}", row.start, row.end);
                    intervals.add(&[
                        Some(row.user_id.as_str()),
                        Some(row.channel.as_str()),
                        Some(&numbers),
                    ]);
                }
            }
            CopyPage::Cached(page) => {
                for row in page {
                    let numbers = format!(
                        "{:?} {} {}",
                        row.serial,
                        row.timestamp.micros(),
                        row.expires.micros()
                    );
                    cached.add(&[
                        Some(row.channel.as_str()),
                        Some(&row.mid.0),
                        Some(&row.event),
                        Some(&row.data),
                        Some(&numbers),
                    ]);
                }
            }
            CopyPage::Targets(page) => page.iter().for_each(|target| add_target(targets, target)),
            CopyPage::Due(page) => {
                for mark in page {
                    let event = mark.event.to_string();
                    due.add(&[Some(&event), Some(&mark.publish), mark.cursor.as_deref()]);
                }
            }
            CopyPage::Waiting(page) => {
                for event in page {
                    add_notification(notifications, event);
                }
            }
        }
    }

    /// The number of records of each kind.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|sum| sum.count)
    }

    /// Describes the first kind in which the other digest differs.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let differs = |((_, this), that): &((&&str, &KindDigest), &KindDigest)| this != that;
        let ((kind, this), that) = KINDS.iter().zip(&self.0).zip(&other.0).find(differs)?;
        Some(if this.count == that.count {
            format!("some of {} {kind} differ", this.count)
        } else {
            format!(
                "{} {kind} were expected, but {} were found",
                this.count, that.count
            )
        })
    }
}

fn exposed(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(Secret::expose)
}

fn add_app(apps: &mut KindDigest, app: &App) {
    let push = &app.push;
    let numbers = format!(
        "{} {} {} {:?}",
        push.apn_sandbox,
        app.created.micros(),
        app.modified.micros(),
        app.settings
    );
    apps.add(&[
        Some(app.ident.as_str()),
        Some(&app.name),
        app.description.as_deref(),
        Some(&app.key),
        Some(app.secret.expose()),
        exposed(&app.previous_secret),
        exposed(&push.apn_key),
        exposed(&push.apn_cer),
        push.apn_key_id.as_deref(),
        push.apn_team_id.as_deref(),
        push.apn_topic.as_deref(),
        exposed(&push.vapid_key),
        push.vapid_email.as_deref(),
        exposed(&push.smtp_url),
        Some(&numbers),
    ]);
}

fn add_event(events: &mut KindDigest, Event { new, position }: &Event) {
    let numbers = format!(
        "{} {} {}",
        position.serial,
        position.id,
        new.timestamp.micros()
    );
    events.add(&[
        Some(new.channel.as_str()),
        Some(&numbers),
        Some(&new.mid.0),
        new.owner_id.as_deref(),
        new.publish.as_ref().map(|publish| &*publish.0),
        Some(&new.payload.event),
        Some(&new.payload.data),
        Some(new.payload.extra.as_str()),
    ]);
}

fn add_notification(notifications: &mut KindDigest, event: &OutboxEvent) {
    let OutboxEventKind::Notification(notification) = &event.kind else {
        return;
    };
    let time = event.at.micros().to_string();
    notifications.add(&[
        event.addresses.first().map(|address| &**address),
        Some(event.channel.as_str()),
        Some(&time),
        Some(&notification.event),
        Some(&notification.frame),
        Some(&notification.mid),
        Some(&notification.publish),
    ]);
}

fn add_target(targets: &mut KindDigest, target: &NotificationTarget) {
    let numbers = format!(
        "{} {} {} {:?} {:?}",
        target.kind.name(),
        target.id,
        target.created.micros(),
        target.away.as_ref().map(|away| away.delay),
        target.digest
    );
    let user = target.away.as_ref().and_then(|away| away.user.as_ref());
    let (address, p256dh, auth) = (
        Some(target.address.expose()),
        exposed(&target.p256dh),
        exposed(&target.auth),
    );
    targets.add(&[
        Some(target.channel.as_str()),
        Some(&numbers),
        address,
        p256dh,
        auth,
        user.map(UserId::as_str),
    ]);
}
