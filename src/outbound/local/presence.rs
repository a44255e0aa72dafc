//! The presence channels of a single node.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, ServerEvent, SocketId, UserId};
use crate::core::ports::{BusMessage, Joined, PresenceStore};
use crate::outbound::local::LocalBus;

/// The presence channels of a single node. A change is queued on the bus under the same lock, so that
/// both have the same order.
pub struct LocalPresence {
    bus: Arc<LocalBus>,
    state: Mutex<PresenceState>,
}

/// The changes that are announced as one member's new data: it leaves and joins.
fn replacement(channel: &ChannelName, before: Member, after: Member) -> [ServerEvent; 2] {
    [
        ServerEvent::MemberRemoved {
            channel: channel.clone(),
            member: before,
        },
        ServerEvent::MemberAdded {
            channel: channel.clone(),
            member: after,
        },
    ]
}

#[derive(Default)]
struct PresenceState {
    /// Increases with every change of any channel, so that the versions of a channel do not restart
    /// after it was empty.
    version: u64,
    apps: HashMap<AppIdent, HashMap<ChannelName, ChannelMembers>>,
}

/// The members of one channel.
#[derive(Default)]
struct ChannelMembers {
    version: u64,
    users: HashMap<UserId, UserConnections>,
    /// The newest data of each user.
    list: MemberList,
}

struct UserConnections {
    /// The version at which the user joined.
    joined: u64,
    /// The user's connections and their data, the newest last.
    connections: Vec<(SocketId, Member)>,
}

impl UserConnections {
    fn newest(&self) -> Option<&Member> {
        self.connections.last().map(|(_, member)| member)
    }

    /// Adds a connection, or gives it new data. Returns the data of the user's only connection where
    /// it is replaced by other data.
    fn replace(&mut self, socket: SocketId, member: Member) -> Option<Member> {
        let known = self
            .connections
            .iter()
            .position(|(held, _)| *held == socket);
        let before = known.map(|index| self.connections.remove(index).1);
        let is_only = self.connections.is_empty();
        let replaced = before.filter(|before| is_only && *before != member);
        self.connections.push((socket, member));
        replaced
    }
}

impl LocalPresence {
    /// Without members; publishes changes on `bus`.
    pub fn new(bus: Arc<LocalBus>) -> Self {
        Self {
            bus,
            state: Mutex::default(),
        }
    }
}

#[async_trait]
impl PresenceStore for LocalPresence {
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Result<Option<Joined>, BusError> {
        let (joined, lane) = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let channel_members = state
                .apps
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_default();
            if let Some(user) = channel_members.users.get_mut(&member.user_id) {
                let replaced = user.replace(socket, member.clone());
                channel_members.list.put(user.joined, member.clone());
                let changes = replaced.map(|before| replacement(channel, before, member));
                let mut lane = None;
                for event in changes.into_iter().flatten() {
                    state.version += 1;
                    channel_members.version = state.version;
                    lane = Some(self.bus.enqueue(BusMessage::Broadcast {
                        app: app.clone(),
                        event,
                        exclude: Some(socket),
                        version: Some(state.version),
                    }));
                }
                let joined = Joined {
                    members: channel_members.list.clone(),
                    version: channel_members.version,
                    new: false,
                };
                drop(guard);
                if let Some(lane) = lane {
                    self.bus.drain(lane);
                }
                return Ok(Some(joined));
            }
            if max != 0 && channel_members.users.len() as u64 >= max {
                return Ok(None);
            }
            state.version += 1;
            channel_members.version = state.version;
            channel_members
                .list
                .put(channel_members.version, member.clone());
            channel_members.users.insert(
                member.user_id.clone(),
                UserConnections {
                    joined: channel_members.version,
                    connections: vec![(socket, member.clone())],
                },
            );
            let (app, channel) = (app.clone(), channel.clone());
            let lane = self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::MemberAdded { channel, member },
                exclude: Some(socket),
                version: Some(channel_members.version),
            });
            (
                Joined {
                    members: channel_members.list.clone(),
                    version: channel_members.version,
                    new: true,
                },
                lane,
            )
        };
        self.bus.drain(lane);
        Ok(Some(joined))
    }

    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError> {
        let lane = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let Some(channels) = state.apps.get_mut(app) else {
                return Ok(false);
            };
            let Some(channel_members) = channels.get_mut(channel) else {
                return Ok(false);
            };
            let Some(known) = channel_members.users.get_mut(user) else {
                return Ok(false);
            };
            let Some(index) = known
                .connections
                .iter()
                .position(|(held, _)| *held == socket)
            else {
                return Ok(false);
            };
            let (_, member) = known.connections.remove(index);
            if let Some(newest) = known.newest() {
                channel_members.list.put(known.joined, newest.clone());
                return Ok(false);
            }
            channel_members.list.remove(known.joined, user.as_str());
            channel_members.users.remove(user);
            state.version += 1;
            channel_members.version = state.version;
            if channel_members.users.is_empty() {
                channels.remove(channel);
            }
            if channels.is_empty() {
                state.apps.remove(app);
            }
            let (app, channel) = (app.clone(), channel.clone());
            self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::MemberRemoved { channel, member },
                exclude: Some(socket),
                version: Some(state.version),
            })
        };
        self.bus.drain(lane);
        Ok(true)
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError> {
        let state = self.state.lock();
        Ok(state
            .apps
            .get(app)
            .and_then(|channels| channels.get(channel))
            .map_or_else(MemberList::default, |channel_members| {
                channel_members.list.clone()
            }))
    }

    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool {
        let state = self.state.lock();
        let channel_members = state
            .apps
            .get(app)
            .and_then(|channels| channels.get(channel));
        channel_members
            .and_then(|channel_members| channel_members.users.get(user)?.newest())
            .is_some_and(|member| member.peer)
    }
}
