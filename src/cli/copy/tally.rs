//! What an app has, counted and summed up, so that two stores can be compared.

use sha2::{Digest, Sha256};

use super::reader::{Page, Reader};
use super::side::{Side, Trouble};
use super::transfer::progress_of;
use crate::core::model::{App, Event, NotificationTarget, Secret};

/// What is counted.
pub const KINDS: [&str; 7] = [
    "apps",
    "channels",
    "events",
    "subscriptions",
    "intervals",
    "cached events",
    "targets",
];

/// For each kind how many there are, and the sum of their digests: the order in which a store answers does not matter.
#[derive(Default, PartialEq, Eq)]
pub struct Tally([Sum; KINDS.len()]);

#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    count: u64,
    /// Each byte's sum over all digests.
    digest: [u64; 32],
}

impl Sum {
    fn add(&mut self, members: &[Option<&str>]) {
        let mut hash = Sha256::new();
        for member in members {
            // With their lengths, so that no two lists of members look the same.
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

impl Tally {
    /// Of an app in a store; tells the number of the newest event that was counted.
    pub async fn of(side: &Side, app: &App, mut at: impl FnMut(u64)) -> Result<Self, Trouble> {
        let mut tally = Self::default();
        let there = side
            .stores
            .apps
            .by_ident(&app.ident)
            .await
            .map_err(|error| side.trouble(error))?;
        if let Some(app) = there {
            let Self([apps, ..]) = &mut tally;
            add_app(apps, &app);
        }
        let mut reader = Reader::new(side, &app.ident, 0);
        while let Some(page) = reader.next().await? {
            tally.add(&page);
            progress_of(&page).inspect(|number| at(*number));
        }
        Ok(tally)
    }

    fn add(&mut self, page: &Page) {
        let Self(
            [
                _,
                channels,
                events,
                subscriptions,
                intervals,
                cached,
                targets,
            ],
        ) = self;
        match page {
            Page::Channels(page) => {
                page.iter().for_each(|(name, head)| {
                    channels.add(&[Some(name.as_str()), Some(&head.to_string())])
                });
            }
            Page::Events(page) => page.iter().for_each(|event| add_event(events, event)),
            Page::Subscriptions(page) => {
                for one in page {
                    let numbers = format!("{} {} {}", one.id, one.start, one.created.micros());
                    subscriptions.add(&[
                        Some(one.user_id.as_str()),
                        Some(one.channel.as_str()),
                        Some(&numbers),
                    ]);
                }
            }
            Page::Intervals(page) => {
                for one in page {
                    let numbers = format!("{} {}", one.start, one.end);
                    intervals.add(&[
                        Some(one.user_id.as_str()),
                        Some(one.channel.as_str()),
                        Some(&numbers),
                    ]);
                }
            }
            Page::Cached(page) => {
                for one in page {
                    let numbers = format!(
                        "{:?} {} {}",
                        one.serial,
                        one.timestamp.micros(),
                        one.expires.micros()
                    );
                    cached.add(&[
                        Some(one.channel.as_str()),
                        Some(&one.mid.0),
                        Some(&one.event),
                        Some(&one.data),
                        Some(&numbers),
                    ]);
                }
            }
            Page::Targets(page) => page.iter().for_each(|target| add_target(targets, target)),
        }
    }

    /// How many of each kind.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|sum| sum.count)
    }

    /// The first kind that the other has otherwise.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let differs = |((_, this), that): &((&&str, &Sum), &Sum)| this != that;
        let ((kind, this), that) = KINDS.iter().zip(&self.0).zip(&other.0).find(differs)?;
        Some(if this.count == that.count {
            format!("of {} {kind} some differ", this.count)
        } else {
            format!(
                "{} {kind} were to be copied, and {} are there",
                this.count, that.count
            )
        })
    }
}

fn exposed(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(Secret::expose)
}

fn add_app(apps: &mut Sum, app: &App) {
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
        exposed(&push.vapid_key),
        push.vapid_email.as_deref(),
        exposed(&push.smtp_url),
        Some(&numbers),
    ]);
}

fn add_event(events: &mut Sum, Event { new, position }: &Event) {
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
        Some(&new.payload.extra),
    ]);
}

fn add_target(targets: &mut Sum, target: &NotificationTarget) {
    let numbers = format!(
        "{} {} {}",
        target.kind.name(),
        target.id,
        target.created.micros()
    );
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
    ]);
}
