//! The presence lists of several nodes, in Redis.
//!
//! Redis has the truth: scripts change a list and announce the change in one step, with a version that grows by one. Each
//! node that watches a channel keeps the list as its clients have been told it, and applies announcements in the order of
//! their versions; where one is missing it reads the list again and tells the differences. So whatever happened between
//! a node and Redis, clients hear what really changed, and each change once. While Redis is away a node goes on from what
//! it knows; when it is back, the node says again whom it has.

mod board;
mod boards;
mod life;
mod list;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use boards::Boards;
pub use life::Life;

use board::{Announced, Board, Held};
use list::Change;
use sync::{JoinAnswer, over};

use crate::core::error::BusError;
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::core::ports::{BusSink, Joined, PresenceStore};
use crate::outbound::redis::{Away, Mesh, PresenceBody};

/// How long an announcement that Redis has made may be on its way; then the list is read again.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The presence lists of several nodes.
pub struct RedisPresence(Arc<Mesh>);

impl RedisPresence {
    /// Over the connections of a node.
    pub fn new(mesh: Arc<Mesh>) -> Self {
        Self(mesh)
    }

    fn boards(&self) -> &Boards {
        self.0.boards()
    }

    async fn join_with(&self, life: &Life, board: &Arc<Board>, held: &Held, most: u64) -> Result<Option<Joined>, Away> {
        let boards = self.boards();
        let sink = self.0.sink();
        life.note(&board.app, &board.channel).await?;
        let mut pipeline = redis::pipe();
        boards.put_join(&mut pipeline, life, board, held, &most.to_string(), "");
        let line = life.session.line_of(&boards.names.list(&board.app, &board.channel));
        let answer = life.session.send(line, &pipeline).await?;
        let user = &held.member.user_id;
        match answer.first().and_then(JoinAnswer::read) {
            Some(JoinAnswer::Full) => {
                board.release(held.socket, user);
                Ok(None)
            }
            Some(JoinAnswer::There { version, stamp, elsewhere }) => {
                board.note(held.socket, user, stamp, elsewhere);
                if !board.is_watched() {
                    return boards.read(life, &board.app, &board.channel).await.map(|snapshot| {
                        // No announcements follow where nobody watches.
                        Some(Joined { members: snapshot.members(), version: 0 })
                    });
                }
                boards.compare(life, board, &*sink).await?;
                self.reach(life, board, version).await?;
                Ok(Some(joined(board)))
            }
            None => Err(over(life)),
        }
    }

    /// Waits until a board shows a version that Redis has announced.
    async fn reach(&self, life: &Life, board: &Arc<Board>, version: u64) -> Result<(), Away> {
        loop {
            let moved = board.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if !board.is_watched() || board.has_reached(version) {
                return Ok(());
            }
            if tokio::time::timeout(ON_ITS_WAY, moved).await.is_err() {
                return self.boards().reread(life, board, &*self.0.sink()).await;
            }
        }
    }

    /// Takes a connection that the node does not hold any more away from Redis, or from what this node knows. Where a life later
    /// than the one that was asked has begun, it is asked, too: it may have been told of the connection before.
    async fn leave_everywhere(&self, board: &Arc<Board>, socket: SocketId, user: &UserId, mut asked: Option<Arc<Life>>) {
        let boards = self.boards();
        loop {
            let life = boards.life().filter(|_| boards.is_later(asked.as_deref()));
            let left = match &life {
                Some(life) => self.leave_with(life, board, socket, user).await,
                None => Err(Away),
            };
            if left.is_err() {
                board.leave_alone(socket, user, &boards.tells, &*self.0.sink());
            }
            if !boards.is_later(life.as_deref().or(asked.as_deref())) {
                break;
            }
            asked = life.or(asked);
        }
        boards.tidy(board);
    }

    async fn leave_with(&self, life: &Life, board: &Arc<Board>, socket: SocketId, user: &UserId) -> Result<(), Away> {
        let version = self.boards().run_leave(life, &board.app, &board.channel, &socket.to_string(), user).await?;
        self.reach(life, board, version).await
    }
}

fn joined(board: &Board) -> Joined {
    let (members, version) = board.members();
    Joined { members, version }
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
        let sink = self.0.sink();
        let held = Held { socket, member, stamp: None };
        loop {
            let life = boards.life();
            if let Some(life) = &life {
                // Before the connection is held: what a board has when it is compared is said to Redis without a limit.
                let (board, ()) = boards.with(app, channel, |_| ());
                let _ = boards.compare(life, &board, &*sink).await;
            }
            let (board, ()) = boards.with(app, channel, |board| board.hold(socket, &held.member));
            let answer = match &life {
                Some(life) => self.join_with(life, &board, &held, max).await,
                None => Err(Away),
            };
            let joined = match answer {
                Ok(joined) => joined,
                Err(Away) if board.join_alone(socket, &held.member, max, &boards.tells, &*sink) => Some(joined(&board)),
                Err(Away) => None,
            };
            if joined.is_none() {
                board.release(socket, &held.member.user_id);
            }
            // A later life looked at what the board holds, before or after this: it must hear of it for sure.
            if !boards.is_later(life.as_deref()) {
                boards.tidy(&board);
                return Ok(joined);
            }
            if joined.is_none() {
                self.leave_everywhere(&board, socket, &held.member.user_id, life).await;
                return Ok(None);
            }
        }
    }

    async fn leave(&self, app: &AppIdent, channel: &ChannelName, socket: SocketId, user: &UserId) -> Result<(), BusError> {
        let boards = self.boards();
        let Some(board) = boards.find(app, channel.as_str()) else { return Ok(()) };
        if board.release(socket, user).is_some() {
            self.leave_everywhere(&board, socket, user, None).await;
        }
        Ok(())
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<Vec<Member>, BusError> {
        let boards = self.boards();
        let board = boards.find(app, channel.as_str());
        match (boards.life(), board) {
            (Some(life), Some(board)) if board.is_watched() => {
                let _ = boards.compare(&life, &board, &*self.0.sink()).await;
                Ok(board.members().0)
            }
            (Some(life), _) => {
                let snapshot = boards.read(&life, app, channel).await.map_err(|away| BusError(away.into()))?;
                Ok(snapshot.members())
            }
            (None, Some(board)) => Ok(board.members().0),
            (None, None) => Err(BusError(Away.into())),
        }
    }

    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool {
        self.boards().find(app, channel).is_some_and(|board| board.is_peer(user))
    }
}

impl Boards {
    /// A channel's announcements arrive from now on, and its list is kept.
    pub(in crate::outbound) async fn watch(&self, app: &AppIdent, channel: &ChannelName, sink: &dyn BusSink) {
        let (board, _) = self.with(app, channel, |board| board.set_watched(true));
        if let Some(life) = self.life() {
            // Where Redis goes away meanwhile, the list is read when it is back.
            let _ = self.compare(&life, &board, sink).await;
        }
    }

    /// A channel's announcements arrive no more.
    pub(in crate::outbound) fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        if let Some(board) = self.find(app, channel.as_str()) {
            board.set_watched(false);
            self.tidy(&board);
        }
    }

    /// Takes an announcement.
    pub(in crate::outbound) fn changed(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        node: u64,
        body: &PresenceBody<'_>,
        sink: &dyn BusSink,
    ) {
        let Some(board) = self.find(app, channel.as_str()) else { return };
        let change = match &*body.kind {
            "+" => Change::Came,
            "-" => Change::Left,
            _ => Change::Data,
        };
        let (Some(member), Ok(version), Ok(came)) = (body.member(), body.version.parse(), body.came.parse()) else { return };
        let of_node = |life: &str| life.split('.').next().is_some_and(|process| process.parse() == Ok(node));
        let announced = Announced {
            change,
            version,
            came,
            member,
            socket: body.socket().unwrap_or(SocketId { process: 0, counter: 0 }),
            fresh: body.fresh,
            own_death: body.evicted.as_deref().is_some_and(of_node),
        };
        if board.announced(announced, &self.tells, sink) {
            self.note_stale(&board);
        }
    }

    /// A life was entered in the register: Redis is asked from now on.
    pub(in crate::outbound) fn rise(&self, life: &Arc<Life>) {
        self.set_life(Some(Arc::clone(life)));
    }

    /// Redis is away.
    pub(in crate::outbound) fn fall(&self) {
        self.set_life(None);
        for board in self.all() {
            board.fall();
        }
    }
}
