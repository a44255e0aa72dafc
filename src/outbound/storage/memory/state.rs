//! The data of the memory store, under a single lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::outbox::AppOutbox;
use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, CachedEvent, ChannelName, Event, Mid, NotificationTarget, Session, TargetKind,
    Timestamp, TokenHash, UserId, UserSubscription,
};

/// The data of all apps.
#[derive(Default)]
pub(super) struct MemoryState {
    /// By id.
    pub apps: BTreeMap<u64, App>,
    /// The last id assigned to an app; ids are not reused.
    pub last_app_id: u64,
    /// Incremented with every change of an app.
    pub revision: u64,
    /// One entry for each app in `apps`.
    pub app_data: HashMap<AppIdent, AppData>,
    /// The ids of all stored events, unique across apps.
    pub mids: HashSet<Mid>,
    pub sessions: HashMap<TokenHash, Session>,
}

/// The data of one app.
#[derive(Default)]
pub(super) struct AppData {
    /// The last id assigned to an event or a subscription.
    pub last_id: u64,
    /// Channels that have ever had an event or a subscription.
    pub channels: HashMap<ChannelName, ChannelEvents>,
    /// By id.
    pub events: BTreeMap<u64, Arc<Event>>,
    /// Event ids by `mid`.
    pub mids: HashMap<Mid, u64>,
    /// Open subscriptions by id.
    pub subscriptions: BTreeMap<u64, UserSubscription>,
    /// Ids of open subscriptions by user and channel.
    pub open_subscriptions: HashMap<(UserId, ChannelName), u64>,
    /// The last event of each cache channel.
    pub cache: HashMap<ChannelName, CachedEvent>,
    /// By kind and id.
    pub targets: BTreeMap<(TargetKind, u64), NotificationTarget>,
    /// The events whose targets are not all in the outbox yet, by id.
    pub due: BTreeMap<u64, DueEvent>,
    pub outbox: AppOutbox,
    /// Intervals (start, end] of ended subscriptions.
    pub ended_subscriptions: HashMap<UserId, Vec<(ChannelName, u64, u64)>>,
}

/// An event whose targets are not all in the outbox yet.
pub(super) struct DueEvent {
    pub publish: Arc<str>,
    pub cursor: Option<String>,
    pub holder: Arc<str>,
    pub held_until: Timestamp,
}

/// The events of one channel.
#[derive(Default)]
pub(super) struct ChannelEvents {
    /// The last serial assigned.
    pub head: u64,
    /// By serial.
    pub events: BTreeMap<u64, Arc<Event>>,
}

impl MemoryState {
    /// Returns the data of an app; `NotFound` if the app does not exist.
    pub(super) fn app_data_mut(&mut self, app: &AppIdent) -> Result<&mut AppData, StorageError> {
        self.app_data.get_mut(app).ok_or(StorageError::NotFound)
    }
}

impl AppData {
    /// Assigns the next id.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Returns the last serial assigned in a channel; 0 if there is none.
    pub(super) fn head(&self, channel: &ChannelName) -> u64 {
        self.channels.get(channel).map_or(0, |channel| channel.head)
    }
}
