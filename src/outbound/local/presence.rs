//! The presence lists of a node that is alone.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, ServerEvent, SocketId, UserId};
use crate::core::ports::{BusMessage, Joined, PresenceStore};
use crate::outbound::local::LocalBus;

/// The presence lists of a node that is alone. A change puts its announcement on the bus under the same lock, so the
/// two cannot disagree about the order.
pub struct LocalPresence {
    bus: Arc<LocalBus>,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    /// Grows with every change of any list, so that a list that was empty meanwhile does not begin again.
    version: u64,
    apps: HashMap<AppIdent, HashMap<ChannelName, List>>,
}

/// Who is on one channel.
#[derive(Default)]
struct List {
    version: u64,
    users: HashMap<UserId, User>,
    /// The newest data of each.
    roll: MemberList,
}

struct User {
    came: u64,
    /// The user's connections with the data of each, the newest last.
    connections: Vec<(SocketId, Member)>,
}

impl User {
    fn newest(&self) -> Option<&Member> {
        self.connections.last().map(|(_, member)| member)
    }
}

impl LocalPresence {
    /// Empty lists that announce over `bus`.
    pub fn new(bus: Arc<LocalBus>) -> Self {
        Self {
            bus,
            lists: Mutex::default(),
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
            let mut guard = self.lists.lock();
            let lists = &mut *guard;
            let list = lists
                .apps
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_default();
            if let Some(user) = list.users.get_mut(&member.user_id) {
                user.connections.retain(|(known, _)| *known != socket);
                user.connections.push((socket, member.clone()));
                list.roll.put(user.came, member);
                return Ok(Some(Joined {
                    members: list.roll.clone(),
                    version: list.version,
                    new: false,
                }));
            }
            if max != 0 && list.users.len() as u64 >= max {
                return Ok(None);
            }
            lists.version += 1;
            list.version = lists.version;
            list.roll.put(list.version, member.clone());
            list.users.insert(
                member.user_id.clone(),
                User {
                    came: list.version,
                    connections: vec![(socket, member.clone())],
                },
            );
            let (app, channel) = (app.clone(), channel.clone());
            let lane = self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::MemberAdded { channel, member },
                exclude: Some(socket),
                version: Some(list.version),
            });
            (
                Joined {
                    members: list.roll.clone(),
                    version: list.version,
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
            let mut guard = self.lists.lock();
            let lists = &mut *guard;
            let Some(channels) = lists.apps.get_mut(app) else {
                return Ok(false);
            };
            let Some(list) = channels.get_mut(channel) else {
                return Ok(false);
            };
            let Some(known) = list.users.get_mut(user) else {
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
                list.roll.put(known.came, newest.clone());
                return Ok(false);
            }
            list.roll.remove(known.came, user.as_str());
            list.users.remove(user);
            lists.version += 1;
            list.version = lists.version;
            if list.users.is_empty() {
                channels.remove(channel);
            }
            if channels.is_empty() {
                lists.apps.remove(app);
            }
            let (app, channel) = (app.clone(), channel.clone());
            self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::MemberRemoved { channel, member },
                exclude: Some(socket),
                version: Some(lists.version),
            })
        };
        self.bus.drain(lane);
        Ok(true)
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError> {
        let lists = self.lists.lock();
        Ok(lists
            .apps
            .get(app)
            .and_then(|channels| channels.get(channel))
            .map_or_else(MemberList::default, |list| list.roll.clone()))
    }

    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool {
        let lists = self.lists.lock();
        let list = lists
            .apps
            .get(app)
            .and_then(|channels| channels.get(channel));
        list.and_then(|list| list.users.get(user)?.newest())
            .is_some_and(|member| member.peer)
    }
}
