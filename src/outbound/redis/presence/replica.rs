//! One presence channel on this node: whose connections are here, and whom its clients see.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, Notify};

use super::list::{Change, List};
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, ServerEvent, SocketId, UserId};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{BusMessage, BusSink};

/// No connection: such an id is never given.
const NOBODY: SocketId = SocketId {
    process: 0,
    counter: 0,
};

/// The list of an app's signed-in users. No channel can have this name.
pub const SIGNED_IN: &str = "\u{1}users";

/// A connection of this node on the channel.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub socket: SocketId,
    pub member: Member,
    /// When Redis noted it; `None`: it has not yet.
    pub stamp: Option<u64>,
}

/// A change as it came, with the version that it leads to.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    pub change: Change,
    pub version: u64,
    pub came: u64,
    pub member: Member,
    pub socket: SocketId,
    /// The list was empty before.
    pub fresh: bool,
    /// It is because a life of this very node was taken for dead.
    pub own_death: bool,
}

/// What a snapshot of the list in Redis holds.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub version: u64,
    pub users: HashMap<UserId, (Member, u64)>,
}

impl Snapshot {
    /// Everybody, in the order in which they came.
    pub fn members(self) -> MemberList {
        let mut users: Vec<_> = self.users.into_values().collect();
        users.sort_unstable_by(|(a, came_a), (b, came_b)| {
            came_a.cmp(came_b).then_with(|| a.user_id.cmp(&b.user_id))
        });
        users.into_iter().map(|(member, _)| member).collect()
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// The list is what Redis has.
    Same,
    /// It must be read again: an announcement was quicker, or is missing.
    Again,
    /// It holds users whom another node may be about to say again.
    Doubtful,
}

/// One presence channel on this node.
pub(super) struct ChannelReplica {
    pub app: AppIdent,
    pub channel: ChannelName,
    /// One at a time compares the list with Redis.
    pub turn: Turn<()>,
    /// The version has moved.
    pub moved: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Announcements arrive.
    watched: bool,
    /// The life of the node for which the list was compared with Redis; 0: none, Redis is away.
    synced: u64,
    version: u64,
    list: List,
    held: HashMap<UserId, Vec<Held>>,
    /// Users who were on another node, too, when a connection here came.
    elsewhere: HashSet<UserId>,
    /// Announcements that cannot be applied yet.
    early: BTreeMap<u64, Announced>,
    /// What this node's clients have been told so far, as a number that grows.
    told: u64,
    telling: OrderedQueue,
}

impl ChannelReplica {
    pub fn new(app: &AppIdent, channel: &ChannelName) -> Self {
        Self {
            app: app.clone(),
            channel: channel.clone(),
            turn: Turn::default(),
            moved: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Says whether announcements arrive. `true`: nothing needs the board any more.
    pub fn set_watched(&self, watched: bool) -> bool {
        let mut state = self.state.lock();
        if watched != state.watched {
            state.watched = watched;
            state.synced = 0;
            state.early.clear();
        }
        !watched && state.held.is_empty()
    }

    pub fn is_watched(&self) -> bool {
        self.state.lock().watched
    }

    pub fn is_unused(&self) -> bool {
        let state = self.state.lock();
        !state.watched && state.held.is_empty()
    }

    /// The life of the node for which it was compared with Redis.
    pub fn synced(&self) -> u64 {
        self.state.lock().synced
    }

    /// Where nobody watches: the node's connections are known to Redis in this life.
    pub fn set_synced(&self, life: u64) {
        self.state.lock().synced = life;
    }

    /// Redis is away: the list goes on from what is known.
    pub fn fall(&self) {
        let mut state = self.state.lock();
        state.synced = 0;
        state.early.clear();
        drop(state);
        self.moved.notify_waiters();
    }

    /// Notes a connection of this node.
    pub fn hold(&self, socket: SocketId, member: &Member) {
        let mut state = self.state.lock();
        let held = state.held.entry(member.user_id.clone()).or_default();
        held.retain(|held| held.socket != socket);
        held.push(Held {
            socket,
            member: member.clone(),
            stamp: None,
        });
    }

    /// Notes what Redis said of a connection.
    pub fn note(&self, socket: SocketId, user: &UserId, stamp: u64, elsewhere: bool) {
        let mut state = self.state.lock();
        if let Some(held) = state
            .held
            .get_mut(user)
            .and_then(|held| held.iter_mut().find(|held| held.socket == socket))
        {
            held.stamp = Some(stamp);
        }
        if elsewhere {
            state.elsewhere.insert(user.clone());
        }
    }

    /// Forgets a connection of this node; `None`: there is none such.
    pub fn release(&self, socket: SocketId, user: &UserId) -> Option<()> {
        let mut state = self.state.lock();
        let held = state.held.get_mut(user)?;
        let index = held.iter().position(|held| held.socket == socket)?;
        held.remove(index);
        if held.is_empty() {
            state.held.remove(user);
        }
        Some(())
    }

    /// The connections of this node, and when each user of them came, as far as Redis said.
    pub fn held(&self) -> Vec<Held> {
        self.state.lock().held.values().flatten().cloned().collect()
    }

    /// When a user came, as Redis has it.
    pub fn came(&self, user: &UserId) -> Option<u64> {
        self.state.lock().list.came(user)
    }

    /// Whether a connection of this node is there.
    pub fn holds(&self, socket: SocketId, user: &UserId) -> bool {
        self.state
            .lock()
            .held
            .get(user)
            .is_some_and(|held| held.iter().any(|held| held.socket == socket))
    }

    /// Everybody, and up to where the clients have been told.
    pub fn members(&self) -> (MemberList, u64) {
        let state = self.state.lock();
        (state.list.members(), state.told)
    }

    /// Which of the users are there, and up to where the clients have been told.
    pub fn has(&self, users: &[UserId]) -> (Vec<bool>, u64) {
        let state = self.state.lock();
        (
            users
                .iter()
                .map(|user| state.list.get(user.as_str()).is_some())
                .collect(),
            state.told,
        )
    }

    pub fn is_peer(&self, user: &str) -> bool {
        self.state
            .lock()
            .list
            .get(user)
            .is_some_and(|member| member.peer)
    }

    /// Whether the list shows this version, or nobody waits for it any more.
    pub fn has_reached(&self, version: u64) -> bool {
        let state = self.state.lock();
        state.version >= version || state.synced == 0
    }

    /// Without Redis: a connection comes. Answers whether its user is new; `None`: the channel is full.
    pub fn join_alone(
        &self,
        socket: SocketId,
        member: &Member,
        most: u64,
        tells: &AtomicU64,
        sink: &dyn BusSink,
    ) -> Option<bool> {
        let new = {
            let mut state = self.state.lock();
            if most != 0
                && state.list.len() as u64 >= most
                && state.list.get(member.user_id.as_str()).is_none()
            {
                return None;
            }
            let new = state.list.put_alone(member.clone());
            if new {
                self.tell(&mut state, Change::Came, member.clone(), socket, tells);
            }
            new
        };
        self.drain(sink);
        Some(new)
    }

    /// Without Redis: a connection left. Its user goes with the last one here, unless it is known to be elsewhere; then the
    /// answer is `true`.
    pub fn leave_alone(
        &self,
        socket: SocketId,
        user: &UserId,
        tells: &AtomicU64,
        sink: &dyn BusSink,
    ) -> bool {
        {
            let mut state = self.state.lock();
            if state.held.contains_key(user) || state.elsewhere.contains(user) {
                return false;
            }
            let Some(member) = state.list.remove(user.as_str()) else {
                return false;
            };
            self.tell(&mut state, Change::Left, member, socket, tells);
        }
        self.drain(sink);
        true
    }

    /// Takes an announcement. `true`: something is missing before it, and the list must be read again.
    pub fn announced(&self, announced: Announced, tells: &AtomicU64, sink: &dyn BusSink) -> bool {
        let gap = {
            let mut state = self.state.lock();
            if state.synced != 0 && announced.version <= state.version {
                return false;
            }
            state.early.insert(announced.version, announced);
            self.apply_early(&mut state, tells)
        };
        self.drain(sink);
        self.moved.notify_waiters();
        gap
    }

    /// Takes what Redis answered this node, before its announcement comes. Where something is missing before it, that may still
    /// be on its way, and the announcement is waited for.
    pub fn answered(&self, announced: Announced, tells: &AtomicU64, sink: &dyn BusSink) {
        {
            let mut state = self.state.lock();
            if state.synced == 0 || announced.version != state.version + 1 {
                return;
            }
            state.version = announced.version;
            self.apply(&mut state, announced, tells);
            self.apply_early(&mut state, tells);
        }
        self.drain(sink);
        self.moved.notify_waiters();
    }

    /// Applies what can be applied; `true`: something is missing.
    fn apply_early(&self, state: &mut State, tells: &AtomicU64) -> bool {
        if state.synced == 0 {
            return false;
        }
        while let Some((version, next)) = state.early.pop_first() {
            if version <= state.version {
                continue;
            }
            if version != state.version + 1 && !(next.fresh && state.list.is_known_empty()) {
                state.early.insert(version, next);
                return true;
            }
            state.version = version;
            self.apply(state, next, tells);
        }
        false
    }

    fn apply(&self, state: &mut State, announced: Announced, tells: &AtomicU64) {
        let Announced {
            change,
            came,
            member,
            socket,
            own_death,
            ..
        } = announced;
        match change {
            Change::Came => {
                if state.list.put(member.clone(), came) {
                    self.tell(state, Change::Came, member, socket, tells);
                }
            }
            // Others took this node for dead. It is not, and says so in a moment; its own clients need not notice.
            Change::Left if own_death && state.held.contains_key(&member.user_id) => {}
            Change::Left => {
                state.elsewhere.remove(&member.user_id);
                if let Some(member) = state.list.remove(member.user_id.as_str()) {
                    self.tell(state, Change::Left, member, socket, tells);
                }
            }
            Change::Data => {
                state.list.put(member, came);
            }
        }
    }

    /// Makes the list what Redis has, and tells the differences. Users who are not in it stay where they are here, and,
    /// unless it is `calm`, where another node may be about to say them again.
    pub fn reconcile(
        &self,
        life: u64,
        snapshot: Snapshot,
        calm: bool,
        tells: &AtomicU64,
        sink: &dyn BusSink,
    ) -> Compared {
        let compared = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if state.synced == life && snapshot.version < state.version {
                return Compared::Again;
            }
            for user in state.list.missing_from(&snapshot.users, calm) {
                if calm && !state.held.contains_key(&user) {
                    state.elsewhere.remove(&user);
                    if let Some(member) = state.list.remove(user.as_str()) {
                        self.tell(state, Change::Left, member, NOBODY, tells);
                    }
                }
            }
            let mut present: Vec<_> = snapshot.users.into_values().collect();
            present.sort_unstable_by_key(|(_, came)| *came);
            for (member, came) in present {
                if state.list.put(member.clone(), came) {
                    self.tell(state, Change::Came, member, NOBODY, tells);
                }
            }
            state.version = snapshot.version;
            state.synced = life;
            match self.apply_early(state, tells) {
                true => Compared::Again,
                false if state.list.is_doubtful() => Compared::Doubtful,
                false => Compared::Same,
            }
        };
        self.drain(sink);
        self.moved.notify_waiters();
        compared
    }

    fn tell(
        &self,
        state: &mut State,
        change: Change,
        member: Member,
        socket: SocketId,
        tells: &AtomicU64,
    ) {
        // Under the lock, so that later ones have higher numbers.
        let version = tells.fetch_add(1, Relaxed) + 1;
        state.told = version;
        if !state.watched {
            return;
        }
        let (app, channel) = (self.app.clone(), self.channel.clone());
        let (event, exclude) = match change {
            _ if channel.as_str() == SIGNED_IN => {
                let (user, online) = (member.user_id, change != Change::Left);
                (ServerEvent::UserStatus { user, online }, None)
            }
            Change::Left => (ServerEvent::MemberRemoved { channel, member }, Some(socket)),
            Change::Came | Change::Data => {
                (ServerEvent::MemberAdded { channel, member }, Some(socket))
            }
        };
        state.telling.push(BusMessage::Broadcast {
            app,
            event,
            exclude,
            version: Some(version),
        });
    }

    /// Delivers what is to be told, in order, unless somebody is at it.
    fn drain(&self, sink: &dyn BusSink) {
        drain(&self.state, |state| &mut state.telling, sink);
    }
}
