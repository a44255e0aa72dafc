//! What an app has, counted and summed up, so that two stores can be compared.

use sha2::{Digest, Sha256};

use super::transfer::{PAGE, all_channels};
use crate::core::error::StorageError;
use crate::core::model::{App, Secret, SubscriptionFilter, TargetKind};
use crate::outbound::storage::Stores;

/// What is counted.
pub const KINDS: [&str; 7] = ["apps", "channels", "events", "subscriptions", "intervals", "cached events", "targets"];

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
            hash.update(member.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(member.unwrap_or_default());
        }
        self.count += 1;
        for (sum, byte) in self.digest.iter_mut().zip(hash.finalize()) {
            *sum = sum.wrapping_add(u64::from(byte));
        }
    }
}

impl Tally {
    /// Of an app in a store.
    pub async fn of(stores: &Stores, app: &App) -> Result<Self, StorageError> {
        let mut tally = Self::default();
        let [apps, channels, events, subscriptions, intervals, cached, targets] = &mut tally.0;
        let ident = &app.ident;
        if let Some(app) = stores.apps.by_ident(ident).await? {
            add_app(apps, &app);
        }
        for (name, head) in all_channels(stores, app).await? {
            channels.add(&[Some(name.as_str()), Some(&head.to_string())]);
            let mut after = 0;
            loop {
                let page = stores.events.replay(ident, &name, after, head, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.position.serial;
                for event in &page {
                    let (new, position) = (&event.new, &event.position);
                    events.add(&[
                        Some(name.as_str()),
                        Some(&position.serial.to_string()),
                        Some(&position.id.to_string()),
                        Some(&new.mid.0),
                        new.owner_id.as_deref(),
                        Some(&new.timestamp.micros().to_string()),
                        new.publish.as_ref().map(|publish| &*publish.0),
                        Some(&new.payload.event),
                        Some(&new.payload.data),
                        Some(&new.payload.extra),
                    ]);
                }
            }
        }
        let mut after = 0;
        loop {
            let page = stores.subscriptions.list(ident, &SubscriptionFilter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for one in &page {
                let numbers = format!("{} {} {}", one.id, one.start, one.created.micros());
                subscriptions.add(&[Some(one.user_id.as_str()), Some(one.channel.as_str()), Some(&numbers)]);
            }
        }
        let mut after = None;
        loop {
            let users = stores.archive.former_subscribers(ident, after.as_ref(), PAGE).await?;
            for user in &users {
                for one in stores.archive.intervals(ident, user).await? {
                    let numbers = format!("{} {}", one.start, one.end);
                    intervals.add(&[Some(user.as_str()), Some(one.channel.as_str()), Some(&numbers)]);
                }
            }
            after = users.into_iter().next_back();
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = stores.archive.cached(ident, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.channel.clone());
            for one in &page {
                let numbers = format!("{:?} {} {}", one.serial, one.timestamp.micros(), one.expires.micros());
                cached.add(&[Some(one.channel.as_str()), Some(&one.mid.0), Some(&one.event), Some(&one.data), Some(&numbers)]);
            }
        }
        for (kind, name) in TargetKind::NAMES {
            let mut after = 0;
            loop {
                let page = stores.archive.targets(ident, kind, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for one in &page {
                    let numbers = format!("{name} {} {}", one.id, one.created.micros());
                    let secret = |secret: &'_ Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
                    let (p256dh, auth) = (secret(&one.p256dh), secret(&one.auth));
                    let address = Some(one.address.expose());
                    targets.add(&[Some(one.channel.as_str()), Some(&numbers), address, p256dh.as_deref(), auth.as_deref()]);
                }
            }
        }
        Ok(tally)
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
            format!("{} {kind} were to be copied, and {} are there", this.count, that.count)
        })
    }
}

fn add_app(apps: &mut Sum, app: &App) {
    let exposed = |secret: &'_ Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let push = &app.push;
    let secrets = [&app.previous_secret, &push.apn_key, &push.apn_cer, &push.vapid_key, &push.smtp_url].map(exposed);
    let numbers = format!("{} {} {} {:?}", push.apn_sandbox, app.created.micros(), app.modified.micros(), app.settings);
    let mut members =
        vec![Some(app.ident.as_str()), Some(&app.name), app.description.as_deref(), Some(&app.key), Some(app.secret.expose())];
    members.extend([push.vapid_email.as_deref(), Some(&numbers)]);
    members.extend(secrets.iter().map(Option::as_deref));
    apps.add(&members);
}
