//! One app's connections and channels on this node.

mod counts;
mod infos;
mod peers;
mod queries;
mod sign_in;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use slab::Slab;

use super::channel::Channel;
use super::signed::{SignedIn, SignedUsers};
use super::subscriptions::{SubscribedVia, Subscription, Subscriptions};
use super::write::{CloseReason, Mailbox, MailboxItem};
use crate::core::model::{App, ChannelKind, ChannelName, Member, SocketId, UserId};
use crate::core::ports::PresenceStore;

/// One app's connections and channels on this node.
pub struct AppHub {
    app: RwLock<Arc<App>>,
    presence: Option<Arc<dyn PresenceStore>>,
    state: Mutex<State>,
}

/// The state that must agree, under one lock.
#[derive(Debug, Default)]
struct State {
    /// By the key of each [`Connection`](super::Connection).
    clients: Slab<Client>,
    keys: HashMap<SocketId, usize>,
    channels: HashMap<ChannelName, Channel>,
    signed: SignedUsers,
    /// Channels whose subscription count is due.
    due_counts: Vec<ChannelName>,
}

#[derive(Debug)]
struct Client {
    mailbox: Arc<Mailbox>,
    subscriptions: Subscriptions,
    signed: Option<Arc<SignedIn>>,
}

/// The effect of a subscribe.
#[derive(Debug, Default)]
pub struct SubscribeOutcome {
    /// The connection was not subscribed before.
    pub new: bool,
    /// It is the channel's first subscription on this node.
    pub first: bool,
    /// The user as which it was a member before, where that is another one.
    pub previous_user: Option<UserId>,
}

/// The end of a subscription.
#[derive(Debug)]
pub struct UnsubscribeOutcome {
    /// The subscription that ended.
    pub subscription: Subscription,
    /// It was the channel's last subscription on this node.
    pub last: bool,
}

/// The effect of a disconnect.
#[derive(Debug, Default)]
pub struct DisconnectOutcome {
    /// Its subscriptions, in the order of the channels' names.
    pub unsubscribed: Vec<UnsubscribeOutcome>,
    /// The user that it was signed in as.
    pub user: Option<UserId>,
}

impl AppHub {
    pub(super) fn new(app: Arc<App>, presence: Option<Arc<dyn PresenceStore>>) -> Self {
        Self {
            app: RwLock::new(app),
            presence,
            state: Mutex::default(),
        }
    }

    /// The app with its current settings.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app.read())
    }

    /// Replaces the app's settings and returns the previous ones.
    pub(super) fn replace(&self, app: Arc<App>) -> Arc<App> {
        mem::replace(&mut *self.app.write(), app)
    }

    /// Adds a connection and returns its key; `None` where `limit` (0: none) is reached.
    pub(super) fn connect(&self, mailbox: Arc<Mailbox>, limit: u64) -> Option<usize> {
        let mut state = self.state.lock();
        if limit != 0 && state.clients.len() as u64 >= limit {
            return None;
        }
        let id = mailbox.id();
        let key = state.clients.insert(Client {
            mailbox,
            subscriptions: Subscriptions::default(),
            signed: None,
        });
        state.keys.insert(id, key);
        Some(key)
    }

    /// Removes a connection with all its subscriptions. A second call does nothing, even where the
    /// key belongs to another connection by then.
    pub(super) fn disconnect(&self, key: usize, id: SocketId) -> DisconnectOutcome {
        let mut state = self.state.lock();
        if state
            .clients
            .get(key)
            .is_none_or(|client| client.mailbox.id() != id)
        {
            return DisconnectOutcome::default();
        }
        let Some(client) = state.clients.try_remove(key) else {
            return DisconnectOutcome::default();
        };
        state.keys.remove(&id);
        if let Some(signed) = &client.signed {
            state.signed.remove(signed, id);
        }
        let subscriptions = client.subscriptions.into_sorted().into_iter();
        let unsubscribed = subscriptions.map(|subscription| {
            let last = state.remove_subscriber(&subscription, &client.mailbox);
            UnsubscribeOutcome { subscription, last }
        });
        DisconnectOutcome {
            unsubscribed: unsubscribed.collect(),
            user: client.signed.map(|signed| signed.user.clone()),
        }
    }

    /// Subscribes a connection to a channel, or adds `via` to its subscription. With `member` the
    /// connection becomes one of that user on a presence channel.
    pub(super) fn subscribe(
        &self,
        key: usize,
        channel: &ChannelName,
        via: SubscribedVia,
        member: Option<&Member>,
    ) -> SubscribeOutcome {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut outcome = SubscribeOutcome::default();
        let hash = state.hash(channel.as_str());
        let Some(client) = state.clients.get_mut(key) else {
            return outcome;
        };
        // All subscriptions share the name that the map has.
        let known = state.channels.get_key_value(channel);
        let channel = known.map_or_else(|| channel.clone(), |(name, _)| name.clone());
        let entry = state.channels.entry(channel.clone()).or_default();
        let subscription = client
            .subscriptions
            .get_or_insert_with(hash, channel.as_str(), || {
                outcome = SubscribeOutcome {
                    new: true,
                    first: entry.is_empty(),
                    previous_user: None,
                };
                Subscription {
                    channel: channel.clone(),
                    key: entry.add(Arc::clone(&client.mailbox)),
                    hash,
                    client: false,
                    personal: false,
                    user: None,
                }
            });
        match via {
            SubscribedVia::Client => subscription.client = true,
            SubscribedVia::Personal => subscription.personal = true,
        }
        let Some(member) = member else { return outcome };
        let previous_user = subscription
            .user
            .replace(member.user_id.clone())
            .filter(|previous| *previous != member.user_id);
        if let Some(previous) = &previous_user {
            entry.remove_member(previous, &client.mailbox);
        }
        entry.set_member(&member.user_id, member.peer, &client.mailbox);
        outcome.previous_user = previous_user;
        outcome
    }

    /// Ends the connection's membership of a presence channel, but not its subscription; returns
    /// the user that it was.
    pub(super) fn clear_member(&self, key: usize, channel: &ChannelName) -> Option<UserId> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let hash = state.hash(channel.as_str());
        let user = state
            .clients
            .get_mut(key)?
            .subscriptions
            .get_mut(hash, channel.as_str())?
            .user
            .take()?;
        let client = state.clients.get(key)?;
        if let Some(entry) = state.channels.get_mut(channel) {
            entry.remove_member(&user, &client.mailbox);
        }
        Some(user)
    }

    /// Removes `via` from a subscription. Returns the subscription if that ended it; `None`: it
    /// continues, or there was none.
    pub(super) fn unsubscribe(
        &self,
        key: usize,
        channel: &ChannelName,
        via: SubscribedVia,
    ) -> Option<UnsubscribeOutcome> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let hash = state.hash(channel.as_str());
        let client = state.clients.get_mut(key)?;
        let subscription = client.subscriptions.get_mut(hash, channel.as_str())?;
        match via {
            SubscribedVia::Client => subscription.client = false,
            SubscribedVia::Personal => subscription.personal = false,
        }
        if subscription.client || subscription.personal {
            return None;
        }
        let subscription = client.subscriptions.remove(hash, channel.as_str())?;
        let mailbox = Arc::clone(&client.mailbox);
        let last = state.remove_subscriber(&subscription, &mailbox);
        Some(UnsubscribeOutcome { subscription, last })
    }

    /// Notifies the connections on a user's personal channel that the user's persistent
    /// subscriptions changed.
    pub(super) fn push_aliases_changed(&self, user: &UserId) {
        let channel = ChannelName::personal_of(user);
        for mailbox in self.targets(&channel).iter() {
            mailbox.push(MailboxItem::AliasesChanged(Box::new(channel.clone())));
        }
    }

    /// The same for every personal channel with subscribers.
    pub(super) fn push_all_aliases_changed(&self) {
        let personal = |channel: &&ChannelName| channel.kind() == ChannelKind::Personal;
        let users: Vec<UserId> = self
            .state
            .lock()
            .channels
            .keys()
            .filter(personal)
            .filter_map(ChannelName::personal_user)
            .collect();
        for user in &users {
            self.push_aliases_changed(user);
        }
    }

    /// Notifies every connection that the message size limit changed.
    pub(super) fn push_limit_changed(&self) {
        for mailbox in self.mailboxes() {
            mailbox.push(MailboxItem::LimitChanged);
        }
    }

    pub(super) fn close_all(&self, reason: CloseReason) {
        for mailbox in self.mailboxes() {
            mailbox.close(reason);
        }
    }
}

impl State {
    /// The half of the channel map's hash by which subscriptions are sorted.
    fn hash(&self, channel: &str) -> u32 {
        (self.channels.hasher().hash_one(channel) >> 32) as u32
    }

    /// Removes a subscriber from its channel; returns whether it was the last one.
    fn remove_subscriber(&mut self, subscription: &Subscription, mailbox: &Mailbox) -> bool {
        let Some(entry) = self.channels.get_mut(&subscription.channel) else {
            return false;
        };
        if let Some(user) = &subscription.user {
            entry.remove_member(user, mailbox);
        }
        entry.remove(subscription.key);
        let is_empty = entry.is_empty();
        if is_empty {
            self.channels.remove(&subscription.channel);
        }
        is_empty
    }
}
