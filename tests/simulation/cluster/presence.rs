//! The members of presence channels: the broker has them, and each node a view of those that it watches.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use pushi::core::error::BusError;
use pushi::core::member_list::MemberList;
use pushi::core::model::{
    AppIdent, ChannelKind, ChannelName, Member, ServerEvent, SocketId, UserId,
};
use pushi::core::ports::{BusMessage, Joined, PresenceStore};
use tokio::time::timeout;

use super::link::{LinkState, unavailable};
use super::shared::{Change, Key, Shared};
use super::{Link, State};

/// The id of no socket, for changes that were not received one by one.
const NO_SOCKET: SocketId = SocketId {
    process: 0,
    counter: 0,
};

/// The members of a channel of which a node's clients were notified.
#[derive(Clone, Default)]
pub(crate) struct View {
    version: u64,
    members: BTreeMap<UserId, (u64, Member)>,
}

impl View {
    pub(crate) fn of(shared: &Shared, key: &Key) -> Self {
        shared
            .channels
            .get(key)
            .map_or_else(Self::default, |channel| {
                let users = channel.users.iter();
                Self {
                    version: channel.version,
                    members: users
                        .map(|(user, known)| (user.clone(), (known.joined, known.member().clone())))
                        .collect(),
                }
            })
    }

    fn list(&self) -> MemberList {
        let mut list = MemberList::default();
        for (joined, member) in self.members.values() {
            list.put(*joined, member.clone());
        }
        list
    }
}

fn notification(
    state: &mut LinkState,
    key: &Key,
    member: Member,
    is_present: bool,
    socket: SocketId,
) -> BusMessage {
    state.notified += 1;
    let (app, channel) = key.clone();
    BusMessage::Broadcast {
        app,
        event: match is_present {
            true => ServerEvent::MemberAdded { channel, member },
            false => ServerEvent::MemberRemoved { channel, member },
        },
        exclude: Some(socket),
        version: Some(state.notified),
    }
}

impl Link {
    /// Applies a change that has arrived.
    pub(super) fn apply(&self, key: &Key, change: Change) {
        let message = {
            let mut state = self.state.lock();
            let Some(view) = state.views.get_mut(key) else {
                return;
            };
            if change.version <= view.version {
                return;
            }
            view.version = change.version;
            let user = change.member.user_id.clone();
            let entry = (change.joined, change.member.clone());
            let differs = match change.is_present {
                true => view.members.insert(user, entry).is_none(),
                false => view.members.remove(&user).is_some(),
            };
            differs.then(|| {
                notification(
                    &mut state,
                    key,
                    change.member,
                    change.is_present,
                    change.socket,
                )
            })
        };
        if let Some(message) = message {
            self.deliver(message);
        }
        self.changed.notify_waiters();
    }

    /// Makes the broker's members and counts of this node equal to those that it has.
    pub(super) fn reassert(&self, state: &LinkState, cluster: &mut State) {
        cluster.remove(self.world(), self.node, |key, socket| {
            state
                .local
                .get(key)
                .is_none_or(|local| !local.contains_key(socket))
        });
        for (key, local) in &state.local {
            for (socket, member) in local {
                let change = cluster.shared.join(self.node, key, *socket, member.clone());
                if let Some(change) = change {
                    cluster.announce(self.world(), self.node, key, change);
                }
            }
        }
        self.recount_all(cluster);
    }

    /// Reads the watched channels; the notifications of what has changed.
    pub(super) fn read_all(&self, state: &mut LinkState, cluster: &State) -> Vec<BusMessage> {
        let mut notifications = Vec::new();
        for key in state.watched.clone() {
            if key.1.kind() != ChannelKind::Presence {
                continue;
            }
            let now = View::of(&cluster.shared, &key);
            let before = state.views.insert(key.clone(), now.clone());
            let before = before.unwrap_or_default();
            for (user, (_, member)) in &before.members {
                if !now.members.contains_key(user) {
                    let message = notification(state, &key, member.clone(), false, NO_SOCKET);
                    notifications.push(message);
                }
            }
            for (user, (_, member)) in &now.members {
                if !before.members.contains_key(user) {
                    notifications.push(notification(state, &key, member.clone(), true, NO_SOCKET));
                }
            }
        }
        notifications
    }

    fn forget_local(&self, key: &Key, socket: SocketId) -> bool {
        let mut state = self.state.lock();
        let Some(local) = state.local.get_mut(key) else {
            return false;
        };
        let was_there = local.remove(&socket).is_some();
        if local.is_empty() {
            state.local.remove(key);
        }
        was_there
    }
}

#[async_trait]
impl PresenceStore for Link {
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        _max: u64,
    ) -> Result<Option<Joined>, BusError> {
        let key = (app.clone(), channel.clone());
        self.state
            .lock()
            .local
            .entry(key.clone())
            .or_default()
            .insert(socket, member.clone());
        self.delay().await;
        let joined = self.cluster.command(self.node, |cluster, world| {
            let change = cluster.shared.join(self.node, &key, socket, member);
            let is_new = change.is_some();
            if let Some(change) = change {
                cluster.announce(world, self.node, &key, change);
            }
            let version = cluster.shared.channels.get(&key);
            (version.map_or(0, |channel| channel.version), is_new)
        });
        let Some((version, new)) = joined else {
            self.forget_local(&key, socket);
            return Err(unavailable());
        };
        loop {
            {
                let state = self.state.lock();
                match state.views.get(&key) {
                    _ if !state.is_up => return Err(unavailable()),
                    Some(view) if view.version >= version => {
                        return Ok(Some(Joined {
                            members: view.list(),
                            version: state.notified,
                            new,
                        }));
                    }
                    Some(_) => {}
                    None => {
                        let cluster = self.cluster.state.lock();
                        return Ok(Some(Joined {
                            members: View::of(&cluster.shared, &key).list(),
                            version: 0,
                            new,
                        }));
                    }
                }
            }
            let _ = timeout(Duration::from_millis(20), self.changed.notified()).await;
        }
    }

    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError> {
        let key = (app.clone(), channel.clone());
        if !self.forget_local(&key, socket) {
            return Ok(false);
        }
        self.delay().await;
        self.cluster
            .command(self.node, |cluster, world| {
                let change = cluster.shared.leave(&key, socket, user);
                let was_last = change.is_some();
                if let Some(change) = change {
                    cluster.announce(world, self.node, &key, change);
                }
                was_last
            })
            .ok_or_else(unavailable)
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError> {
        let key = (app.clone(), channel.clone());
        self.delay().await;
        self.cluster
            .command(self.node, |cluster, _| {
                View::of(&cluster.shared, &key).list()
            })
            .ok_or_else(unavailable)
    }

    fn is_peer(&self, _app: &AppIdent, _channel: &str, _user: &str) -> bool {
        false
    }
}
