//! The targets of an event, page by page.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::KINDS;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, SubscriptionFilter, TargetFilter, TargetKind,
};
use crate::core::ports::Stores;

/// The targets, and the followers, that are read at once.
const TARGETS: usize = 256;
const FOLLOWERS: usize = 500;

/// The targets of one channel that are not read yet.
struct ChannelTargets {
    channel: ChannelName,
    kinds: VecDeque<TargetKind>,
    /// The last id of the first kind that was read.
    after: u64,
}

impl ChannelTargets {
    fn new(channel: ChannelName) -> Self {
        Self {
            channel,
            kinds: KINDS.into(),
            after: 0,
        }
    }
}

/// The targets of an event's channel, and of the personal channels of those who follow it.
pub(super) struct TargetPages {
    app: AppIdent,
    channel: ChannelName,
    reading: Option<ChannelTargets>,
    personal: VecDeque<ChannelName>,
    /// The last subscription whose user was read; `None`: there are no more.
    followers: Option<u64>,
}

impl TargetPages {
    /// All targets, from where another node has stopped.
    pub(super) fn new(app: &AppIdent, channel: &ChannelName, cursor: Option<&str>) -> Self {
        let mut pages = Self {
            app: app.clone(),
            channel: channel.clone(),
            reading: Some(ChannelTargets::new(channel.clone())),
            personal: VecDeque::new(),
            followers: (channel.kind() != ChannelKind::Personal).then_some(0),
        };
        match cursor.and_then(|cursor| cursor.split_once('/')) {
            Some(("followers", after)) => {
                pages.reading = None;
                pages.followers = Some(after.parse().unwrap_or(0));
            }
            Some((label, after)) => {
                if let (Some(kind), Some(reading)) =
                    (TargetKind::from_label(label), &mut pages.reading)
                {
                    reading.kinds.retain(|other| *other >= kind);
                    reading.after = after.parse().unwrap_or(0);
                }
            }
            None => {}
        }
        pages
    }

    /// Where another node can go on; `None`: not between two pages of one follower.
    pub(super) fn cursor(&self) -> Option<String> {
        match &self.reading {
            Some(reading) if reading.channel == self.channel => {
                let kind = reading.kinds.front()?;
                Some(format!("{}/{}", kind.label(), reading.after))
            }
            None if self.personal.is_empty() => Some(format!("followers/{}", self.followers?)),
            _ => None,
        }
    }

    /// The next addresses, without duplicates; empty: there are no more.
    pub(super) async fn next(&mut self, stores: &Stores) -> Result<Vec<Arc<str>>, StorageError> {
        loop {
            if let Some(reading) = &mut self.reading {
                let Some(kind) = reading.kinds.front().copied() else {
                    self.reading = None;
                    continue;
                };
                let filter = TargetFilter {
                    address: None,
                    channel: Some(reading.channel.clone()),
                };
                let found = stores
                    .targets
                    .list_targets(&self.app, kind, &filter, reading.after, TARGETS)
                    .await?;
                match found.last().filter(|_| found.len() == TARGETS) {
                    Some(last) => reading.after = last.id,
                    None => {
                        reading.kinds.pop_front();
                        reading.after = 0;
                    }
                }
                if found.is_empty() {
                    continue;
                }
                // The original may have registered a target twice.
                let mut seen = HashSet::new();
                let addresses = found.iter().map(|target| {
                    let address = target.address.expose();
                    match (&target.away, target.digest) {
                        (Some(_), _) => kind.away_address(address),
                        (None, Some(window)) => kind.digest_address(address, window),
                        (None, None) => kind.outbox_address(address),
                    }
                });
                let addresses = addresses.filter(|address| seen.insert(address.clone()));
                return Ok(addresses.map(Into::into).collect());
            }
            if let Some(channel) = self.personal.pop_front() {
                self.reading = Some(ChannelTargets::new(channel));
                continue;
            }
            let Some(after) = self.followers else {
                return Ok(Vec::new());
            };
            let filter = SubscriptionFilter {
                user_id: None,
                channel: Some(self.channel.clone()),
            };
            let found = stores
                .subscriptions
                .list(&self.app, &filter, after, FOLLOWERS)
                .await?;
            self.followers = found
                .last()
                .filter(|_| found.len() == FOLLOWERS)
                .map(|last| last.id);
            let personal: Vec<ChannelName> = found
                .iter()
                .map(|followed| ChannelName::personal_of(&followed.user_id))
                .collect();
            if !personal.is_empty() {
                let with_targets = stores.targets.with_targets(&self.app, &personal).await?;
                self.personal = with_targets.into();
            }
        }
    }
}
