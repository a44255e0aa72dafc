//! What the memory store holds, under its one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::outbox::AppOutbox;
use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, Event, Mid, Session, Target, TargetKind, TokenHash,
    UserId, UserSubscription,
};

/// Everything.
#[derive(Default)]
pub(super) struct State {
    /// Apps by their number.
    pub apps: BTreeMap<u64, App>,
    /// The newest number given to an app; never given again.
    pub last_app: u64,
    /// Changes with every change of an app.
    pub revision: u64,
    /// What belongs to each app; there for each app, and for no other.
    pub owned: HashMap<AppIdent, Owned>,
    /// Every stored event's id: no two are the same, over all apps.
    pub mids: HashSet<Mid>,
    /// Sessions.
    pub sessions: HashMap<TokenHash, Session>,
}

/// What belongs to one app.
#[derive(Default)]
pub(super) struct Owned {
    /// The newest number given to an event or a subscription.
    pub last_id: u64,
    /// Channels that ever held an event or a subscription.
    pub channels: HashMap<ChannelName, Channel>,
    /// Events by `id`.
    pub events: BTreeMap<u64, Arc<Event>>,
    /// Where each event's `mid` stands.
    pub mids: HashMap<Mid, u64>,
    /// Open subscriptions by `id`.
    pub subscriptions: BTreeMap<u64, UserSubscription>,
    /// The `id` of the open subscription of a user to a channel.
    pub open: HashMap<(UserId, ChannelName), u64>,
    /// The last events of cache channels.
    pub cache: HashMap<ChannelName, CachedEvent>,
    /// Targets by kind and number.
    pub targets: BTreeMap<(TargetKind, u64), Target>,
    /// What waits for webhooks.
    pub outbox: AppOutbox,
    /// Intervals (start, end] of subscriptions that ended.
    pub ended: HashMap<UserId, Vec<(ChannelName, u64, u64)>>,
}

/// One channel's events.
#[derive(Default)]
pub(super) struct Channel {
    /// The newest serial ever given.
    pub head: u64,
    /// Events by serial.
    pub events: BTreeMap<u64, Arc<Event>>,
}

impl State {
    /// What belongs to an app, to be changed; `NotFound` where the app is not there.
    pub fn owned_mut(&mut self, app: &AppIdent) -> Result<&mut Owned, StorageError> {
        self.owned.get_mut(app).ok_or(StorageError::NotFound)
    }
}

impl Owned {
    /// The next number of the app.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The newest serial ever given in a channel; 0 where nothing was ever stored.
    pub fn head(&self, channel: &ChannelName) -> u64 {
        self.channels.get(channel).map_or(0, |channel| channel.head)
    }
}
