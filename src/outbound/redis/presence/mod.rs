//! The presence lists of several nodes, in Redis.
//!
//! Redis has the truth: scripts change a list and announce the change in one step, with a version that grows by one. Each
//! node that watches a channel keeps the list as its clients have been told it, and applies announcements in the order of
//! their versions; where one is missing it reads the list again and tells the differences. So whatever happened between
//! a node and Redis, clients hear what really changed, and each change once. While Redis is away a node goes on from what
//! it knows; when it is back, the node says again whom it has.

mod entry;
mod list;
mod replica;
mod replicas;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;

pub use entry::Came;
pub use replica::SIGNED_IN;
pub use replicas::ChannelReplicas;

use list::Change;
use replica::Announced;

use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::core::ports::{BusSink, Joined, PresenceStore};
use crate::outbound::redis::connection::{Disconnected, PresenceBody};
use crate::outbound::redis::node::{Incarnation, RedisNode};

/// The presence lists of several nodes.
pub struct RedisPresence(Arc<RedisNode>);

impl RedisPresence {
    /// Over the connections of a node.
    pub fn new(mesh: Arc<RedisNode>) -> Self {
        Self(mesh)
    }

    fn boards(&self) -> &ChannelReplicas {
        self.0.boards()
    }
}

#[async_trait]
impl PresenceStore for RedisPresence {
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Result<Option<Joined>, BusError> {
        let boards = self.boards();
        let Some(Came { board, new }) = boards
            .come(app, channel, socket, member, max, &*self.0.sink())
            .await
        else {
            return Ok(None);
        };
        if let (Some(life), false) = (boards.life(), board.is_watched()) {
            // No announcements follow where nobody watches.
            if let Ok(snapshot) = boards.read(&life, app, channel).await {
                return Ok(Some(Joined {
                    members: snapshot.members(),
                    version: 0,
                    new,
                }));
            }
        }
        let (members, version) = board.members();
        Ok(Some(Joined {
            members,
            version,
            new,
        }))
    }

    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError> {
        Ok(self
            .boards()
            .go(app, channel, socket, user, &*self.0.sink())
            .await)
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError> {
        let boards = self.boards();
        let board = boards.find(app, channel.as_str());
        match (boards.life(), board) {
            (Some(life), Some(board)) if board.is_watched() => {
                let _ = boards.compare(&life, &board, &*self.0.sink()).await;
                Ok(board.members().0)
            }
            (Some(life), _) => {
                let snapshot = boards
                    .read(&life, app, channel)
                    .await
                    .map_err(|away| BusError(away.into()))?;
                Ok(snapshot.members())
            }
            (None, Some(board)) => Ok(board.members().0),
            (None, None) => Err(BusError(Disconnected.into())),
        }
    }

    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool {
        self.boards()
            .find(app, channel)
            .is_some_and(|board| board.is_peer(user))
    }
}

impl ChannelReplicas {
    /// A channel's announcements arrive from now on, and its list is kept.
    pub(in crate::outbound::redis) async fn watch(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        sink: &dyn BusSink,
    ) {
        let (board, _) = self.with(app, channel, |board| board.set_watched(true));
        if let Some(life) = self.life() {
            // Where Redis goes away meanwhile, the list is read when it is back.
            let _ = self.compare(&life, &board, sink).await;
        }
    }

    /// A channel's announcements arrive no more.
    pub(in crate::outbound::redis) fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        if let Some(board) = self.find(app, channel.as_str()) {
            board.set_watched(false);
            self.tidy(&board);
        }
    }

    /// Takes an announcement.
    pub(in crate::outbound::redis) fn changed(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        node: u64,
        body: &PresenceBody<'_>,
        sink: &dyn BusSink,
    ) {
        let Some(board) = self.find(app, channel.as_str()) else {
            return;
        };
        let change = match &*body.kind {
            "+" => Change::Came,
            "-" => Change::Left,
            _ => Change::Data,
        };
        let (Some(member), Ok(version), Ok(came)) =
            (body.member(), body.version.parse(), body.came.parse())
        else {
            return;
        };
        let of_node = |life: &str| {
            life.split('.')
                .next()
                .is_some_and(|process| process.parse() == Ok(node))
        };
        let announced = Announced {
            change,
            version,
            came,
            member,
            socket: body.socket().unwrap_or(SocketId {
                process: 0,
                counter: 0,
            }),
            fresh: body.fresh,
            own_death: body.evicted.as_deref().is_some_and(of_node),
        };
        if board.announced(announced, &self.tells, sink) {
            self.note_stale(&board);
        }
    }

    /// A life was entered in the register: Redis is asked from now on.
    pub(in crate::outbound::redis) fn rise(&self, life: &Arc<Incarnation>) {
        self.set_life(Some(Arc::clone(life)));
    }

    /// Redis is away.
    pub(in crate::outbound::redis) fn fall(&self) {
        self.set_life(None);
        for board in self.all() {
            board.fall();
        }
    }
}
