//! One app's connections and channels on this node.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use slab::Slab;

use super::channel::Channel;
use super::connection::{SubscribedVia, Subscription};
use super::mailbox::Mailbox;
use super::parcel::{CloseReason, MailboxItem};
use super::signed::{SignedIn, SignedUsers};
use super::subscriptions::Subscriptions;
use crate::core::model::{
    App, ChannelKind, ChannelName, Member, Occupancy, OccupiedChannel, PeerChannel, SocketId,
    SocketInfo, UserId,
};
use crate::core::ports::{Gauges, PresenceStore};

/// One app's connections and channels on this node.
pub struct AppHub {
    app: RwLock<Arc<App>>,
    presence: Option<Arc<dyn PresenceStore>>,
    pub(super) state: Mutex<State>,
}

/// What must agree.
#[derive(Debug, Default)]
pub(super) struct State {
    pub sockets: Slab<Client>,
    slots: HashMap<SocketId, usize>,
    pub rooms: HashMap<ChannelName, Channel>,
    pub signed: SignedUsers,
    /// Channels whose subscribers are to be told how many they are.
    pub due: Vec<ChannelName>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub mailbox: Arc<Mailbox>,
    places: Subscriptions,
    pub signed: Option<Arc<SignedIn>>,
}

/// What a connection's going on a channel changed.
#[derive(Debug, Default)]
pub struct SubscribeOutcome {
    /// It was not on the channel before.
    pub new: bool,
    /// Nobody of this node was.
    pub first: bool,
    /// The user that it was there as before, where that is another one.
    pub before: Option<UserId>,
}

/// A connection has left a channel.
#[derive(Debug)]
pub struct UnsubscribeOutcome {
    /// The place that it had.
    pub place: Subscription,
    /// Nobody of this node is on the channel any more.
    pub last: bool,
}

/// What a connection has left behind.
#[derive(Debug, Default)]
pub struct DisconnectOutcome {
    /// Its channels.
    pub left: Vec<UnsubscribeOutcome>,
    /// The user that it was signed in as.
    pub user: Option<UserId>,
}

impl Client {
    fn info(&self) -> SocketInfo {
        let mut channels: Vec<_> = self
            .places
            .iter()
            .map(|place| place.channel.clone())
            .collect();
        channels.sort_unstable();
        SocketInfo {
            id: self.mailbox.id(),
            channels,
        }
    }
}

impl AppHub {
    pub(super) fn new(app: Arc<App>, presence: Option<Arc<dyn PresenceStore>>) -> Self {
        Self {
            app: RwLock::new(app),
            presence,
            state: Mutex::default(),
        }
    }

    /// The app as it is now.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app.read())
    }

    /// Notes what the app is now; answers what it was.
    pub(super) fn replace(&self, app: Arc<App>) -> Arc<App> {
        std::mem::replace(&mut *self.app.write(), app)
    }

    /// A slot for a new connection; `None` where `limit` (0: none) is reached.
    pub(super) fn enter(&self, mailbox: Arc<Mailbox>, limit: u64) -> Option<usize> {
        let mut state = self.state.lock();
        if limit != 0 && state.sockets.len() as u64 >= limit {
            return None;
        }
        let id = mailbox.id();
        let slot = state.sockets.insert(Client {
            mailbox,
            places: Subscriptions::default(),
            signed: None,
        });
        state.slots.insert(id, slot);
        Some(slot)
    }

    /// Removes a connection with all its places. Once it is gone, its slot can be another's, who is left alone.
    pub(super) fn exit(&self, slot: usize, id: SocketId) -> DisconnectOutcome {
        let mut state = self.state.lock();
        if state
            .sockets
            .get(slot)
            .is_none_or(|socket| socket.mailbox.id() != id)
        {
            return DisconnectOutcome::default();
        }
        let Some(socket) = state.sockets.try_remove(slot) else {
            return DisconnectOutcome::default();
        };
        state.slots.remove(&id);
        if let Some(signed) = &socket.signed {
            state.signed.leave(signed, id);
        }
        let left = socket.places.into_sorted().into_iter().map(|place| {
            let last = state.vacate(&place, &socket.mailbox);
            UnsubscribeOutcome { place, last }
        });
        DisconnectOutcome {
            left: left.collect(),
            user: socket.signed.map(|signed| signed.user.clone()),
        }
    }

    /// Puts a connection on a channel, or adds `hold` to the place that it has. `member` makes it that user's.
    pub(super) fn join(
        &self,
        slot: usize,
        channel: &ChannelName,
        hold: SubscribedVia,
        member: Option<&Member>,
    ) -> SubscribeOutcome {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut entered = SubscribeOutcome::default();
        let hash = state.hash(channel.as_str());
        let Some(socket) = state.sockets.get_mut(slot) else {
            return entered;
        };
        let room = match state.rooms.get_mut(channel) {
            Some(room) => room,
            None => state.rooms.entry(channel.clone()).or_default(),
        };
        let place = socket
            .places
            .get_or_insert_with(hash, channel.as_str(), || {
                entered = SubscribeOutcome {
                    new: true,
                    first: room.is_empty(),
                    before: None,
                };
                let seat = room.enter(Arc::clone(&socket.mailbox));
                Subscription {
                    channel: channel.clone(),
                    seat,
                    hash,
                    direct: false,
                    alias: false,
                    user: None,
                }
            });
        match hold {
            SubscribedVia::Direct => place.direct = true,
            SubscribedVia::Alias => place.alias = true,
        }
        let Some(member) = member else { return entered };
        let before = place
            .user
            .replace(member.user_id.clone())
            .filter(|before| *before != member.user_id);
        if let Some(before) = &before {
            room.forget(before, &socket.mailbox);
        }
        room.identify(&member.user_id, member.peer, &socket.mailbox);
        entered.before = before;
        entered
    }

    /// Makes the connection nobody on a presence channel, where it stays; answers the user that it was.
    pub(super) fn anonymise(&self, slot: usize, channel: &ChannelName) -> Option<UserId> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let hash = state.hash(channel.as_str());
        let user = state
            .sockets
            .get_mut(slot)?
            .places
            .get_mut(hash, channel.as_str())?
            .user
            .take()?;
        let socket = state.sockets.get(slot)?;
        if let Some(room) = state.rooms.get_mut(channel) {
            room.forget(&user, &socket.mailbox);
        }
        Some(user)
    }

    /// Gives up a hold on a channel. The place goes with its last hold, and is answered then; `None`: it stays, or there was none.
    pub(super) fn leave(
        &self,
        slot: usize,
        channel: &ChannelName,
        hold: SubscribedVia,
    ) -> Option<UnsubscribeOutcome> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let hash = state.hash(channel.as_str());
        let socket = state.sockets.get_mut(slot)?;
        let place = socket.places.get_mut(hash, channel.as_str())?;
        match hold {
            SubscribedVia::Direct => place.direct = false,
            SubscribedVia::Alias => place.alias = false,
        }
        if place.direct || place.alias {
            return None;
        }
        let place = socket.places.remove(hash, channel.as_str())?;
        let mailbox = Arc::clone(&socket.mailbox);
        let last = state.vacate(&place, &mailbox);
        Some(UnsubscribeOutcome { place, last })
    }

    /// The place that a connection has on a channel.
    pub(super) fn place(&self, slot: usize, channel: &str) -> Option<Subscription> {
        let state = self.state.lock();
        state
            .sockets
            .get(slot)?
            .places
            .get(state.hash(channel), channel)
            .cloned()
    }

    pub(super) fn direct_places(&self, slot: usize) -> usize {
        self.state.lock().sockets.get(slot).map_or(0, |socket| {
            socket.places.iter().filter(|place| place.direct).count()
        })
    }

    /// A connection's places.
    pub(super) fn places(&self, slot: usize) -> Vec<Subscription> {
        self.state
            .lock()
            .sockets
            .get(slot)
            .map_or_else(Vec::new, |socket| socket.places.iter().cloned().collect())
    }

    /// Whether the connection is on a peer channel as one of its users: named, present with `"peer": true`, and not alone.
    pub(super) fn is_peer(&self, slot: usize, peer: &PeerChannel<'_>) -> bool {
        let present = self.present(peer);
        let state = self.state.lock();
        let Some(socket) = state.sockets.get(slot) else {
            return false;
        };
        let presence = peer.presence();
        let user = socket
            .places
            .get(state.hash(&presence), &presence)
            .and_then(|place| place.user.as_ref());
        let Some(user) = user.filter(|user| peer.users().any(|named| named == user.as_str()))
        else {
            return false;
        };
        let Some(room) = state.rooms.get(presence.as_str()) else {
            return false;
        };
        room.peer(user.as_str()).is_some() && is_met(peer, &present, room)
    }

    /// Which of a peer channel's users, in order, are present with `"peer": true` on whichever node. Asked before the state is
    /// locked: the list has a lock of its own.
    fn present(&self, peer: &PeerChannel<'_>) -> Vec<bool> {
        let Some(presence) = &self.presence else {
            return Vec::new();
        };
        let app = self.app();
        let channel = peer.presence();
        peer.users()
            .map(|user| presence.is_peer(&app.ident, &channel, user))
            .collect()
    }

    /// Everybody whom something on this channel must reach.
    pub(super) fn targets(&self, channel: &ChannelName) -> Arc<[Arc<Mailbox>]> {
        let peer = PeerChannel::parse(channel.as_str()).map(|peer| (peer, self.present(&peer)));
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let subscribers = state.rooms.get_mut(channel).map(Channel::targets);
        let peers = peer
            .map(|(peer, present)| state.peers(&peer, &present))
            .unwrap_or_default();
        match (subscribers, peers.is_empty()) {
            (Some(subscribers), true) => subscribers,
            (None, _) => peers.into(),
            (Some(subscribers), false) => {
                let listens =
                    |mailbox: &Mailbox| peers.iter().any(|peer| peer.id() == mailbox.id());
                let others: Vec<_> = subscribers
                    .iter()
                    .filter(|mailbox| !listens(mailbox))
                    .cloned()
                    .collect();
                peers.into_iter().chain(others).collect()
            }
        }
    }

    /// Tells the sockets on a user's personal channel that the user's persistent subscriptions changed.
    pub(super) fn aliases_changed(&self, user: &UserId) {
        let channel = ChannelName::personal_of(user);
        for mailbox in self.targets(&channel).iter() {
            mailbox.tell(MailboxItem::AliasesChanged(Box::new(channel.clone())));
        }
    }

    /// Tells every socket that the limit for messages changed.
    pub(super) fn limit_changed(&self) {
        for mailbox in self.mailboxes() {
            mailbox.tell(MailboxItem::LimitChanged);
        }
    }

    /// The same for every personal channel with somebody on it.
    pub(super) fn all_aliases_changed(&self) {
        let personal = |channel: &&ChannelName| channel.kind() == ChannelKind::Personal;
        let users: Vec<UserId> = self
            .state
            .lock()
            .rooms
            .keys()
            .filter(personal)
            .filter_map(ChannelName::personal_user)
            .collect();
        for user in &users {
            self.aliases_changed(user);
        }
    }

    /// Whether somebody here is on the channel.
    pub(super) fn is_occupied(&self, channel: &str) -> bool {
        self.state.lock().rooms.contains_key(channel)
    }

    pub(super) fn close_all(&self, reason: CloseReason) {
        for mailbox in self.mailboxes() {
            mailbox.close(reason);
        }
    }

    pub(super) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.state
            .lock()
            .sockets
            .iter()
            .map(|(_, socket)| Arc::clone(&socket.mailbox))
            .collect()
    }

    /// The app's live connections on this node, those with a counter above `after`, at most `limit`, in their order.
    pub fn sockets(&self, after: Option<SocketId>, limit: usize) -> Vec<SocketInfo> {
        let state = self.state.lock();
        let mut ids: Vec<_> = state
            .slots
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| **id > after))
            .collect();
        ids.sort_unstable();
        ids.into_iter()
            .take(limit)
            .filter_map(|(_, slot)| Some(state.sockets.get(*slot)?.info()))
            .collect()
    }

    /// One live connection.
    pub fn socket(&self, id: SocketId) -> Option<SocketInfo> {
        let state = self.state.lock();
        let slot = *state.slots.get(&id)?;
        Some(state.sockets.get(slot)?.info())
    }

    /// Adds what stands here.
    pub(super) fn count(&self, gauges: &mut Gauges) {
        let state = self.state.lock();
        gauges.channels += state.rooms.len() as u64;
        for (_, socket) in &state.sockets {
            gauges.subscriptions += socket.places.len() as u64;
            let waiting = socket.mailbox.waiting() as u64;
            gauges.waiting_bytes += waiting;
            gauges.most_waiting_bytes = gauges.most_waiting_bytes.max(waiting);
        }
    }

    /// How many are on a channel on this node.
    pub fn occupancy(&self, channel: &ChannelName) -> Occupancy {
        self.state
            .lock()
            .rooms
            .get(channel)
            .map_or(Occupancy::default(), Channel::occupancy)
    }

    /// The users who are on a presence channel on this node.
    pub fn users(&self, channel: &ChannelName) -> Vec<UserId> {
        self.state
            .lock()
            .rooms
            .get(channel)
            .map_or_else(Vec::new, Channel::users)
    }

    /// The channels that somebody is on here and whose names begin with `prefix`, those behind `after`, at most `limit`, in
    /// the order of their names.
    pub fn channels(
        &self,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Vec<OccupiedChannel> {
        let state = self.state.lock();
        let fits = |channel: &ChannelName| {
            channel.as_str().starts_with(prefix) && after.is_none_or(|after| channel > after)
        };
        let mut found: Vec<_> = state
            .rooms
            .iter()
            .filter(|(channel, _)| fits(channel))
            .collect();
        if found.len() > limit {
            found.select_nth_unstable_by_key(limit, |(channel, _)| *channel);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|(channel, _)| *channel);
        found
            .iter()
            .map(|(channel, room)| OccupiedChannel {
                channel: (*channel).clone(),
                occupancy: room.occupancy(),
            })
            .collect()
    }
}

impl State {
    /// What a connection's places are sorted by: half of the hash by which rooms are found.
    fn hash(&self, channel: &str) -> u32 {
        (self.rooms.hasher().hash_one(channel) >> 32) as u32
    }

    /// Answers whether nobody is on the channel any more.
    fn vacate(&mut self, place: &Subscription, mailbox: &Mailbox) -> bool {
        let Some(room) = self.rooms.get_mut(&place.channel) else {
            return false;
        };
        if let Some(user) = &place.user {
            room.forget(user, mailbox);
        }
        room.leave(place.seat);
        let is_empty = room.is_empty();
        if is_empty {
            self.rooms.remove(&place.channel);
        }
        is_empty
    }

    /// The connections that are on a peer channel by being on its presence channel.
    fn peers(&self, peer: &PeerChannel<'_>, present: &[bool]) -> Vec<Arc<Mailbox>> {
        let Some(room) = self.rooms.get(peer.presence().as_str()) else {
            return Vec::new();
        };
        if !is_met(peer, present, room) {
            return Vec::new();
        }
        peer.users()
            .filter_map(|user| room.peer(user))
            .flat_map(|local| local.peers().cloned())
            .collect()
    }
}

/// Whether at least two of a peer channel's users are there, here in its presence channel's room or `present` elsewhere.
fn is_met(peer: &PeerChannel<'_>, present: &[bool], room: &Channel) -> bool {
    let there = |(index, user): &(usize, &str)| {
        room.peer(user).is_some() || present.get(*index).copied().unwrap_or(false)
    };
    peer.users().enumerate().filter(there).nth(1).is_some()
}
