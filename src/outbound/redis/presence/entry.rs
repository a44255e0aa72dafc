//! Coming to a list, and leaving it.

use std::sync::Arc;
use std::time::Duration;

use super::list::Change;
use super::replica::{Announced, ChannelReplica, Held};
use super::replicas::ChannelReplicas;
use super::sync::{JoinAnswer, over};
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::core::ports::BusSink;
use crate::outbound::redis::connection::Disconnected;
use crate::outbound::redis::node::{Incarnation, Use};

/// How long an announcement that Redis has made may be on its way; then the list is read again.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// A connection has come.
pub struct Came {
    pub(super) board: Arc<ChannelReplica>,
    /// It was the first of its user.
    pub new: bool,
}

impl ChannelReplicas {
    /// Adds a connection of a user to a list, in Redis or, while that is away, here alone. `None`: the user is new and there
    /// are `max` users (0: no bound).
    pub(in crate::outbound::redis) async fn come(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
        sink: &dyn BusSink,
    ) -> Option<Came> {
        let held = Held {
            socket,
            member,
            stamp: None,
        };
        loop {
            let life = self.life();
            if let Some(life) = &life {
                // Before the connection is held: what a board has when it is compared is said to Redis without a limit.
                let (board, ()) = self.with(app, channel, |_| ());
                let _ = self.compare(life, &board, sink).await;
            }
            let (board, ()) = self.with(app, channel, |board| board.hold(socket, &held.member));
            let answer = match &life {
                Some(life) => self.come_with(life, &board, &held, max, sink).await,
                None => Err(Disconnected),
            };
            let new = answer.unwrap_or_else(|Disconnected| {
                board.join_alone(socket, &held.member, max, &self.tells, sink)
            });
            if new.is_none() {
                board.release(socket, &held.member.user_id);
            }
            // A later life looked at what the board holds, before or after this: it must hear of it for sure.
            if !self.is_later(life.as_deref()) {
                self.tidy(&board);
                return new.map(|new| Came { board, new });
            }
            if new.is_none() {
                self.go_everywhere(&board, socket, &held.member.user_id, life, sink)
                    .await;
                return None;
            }
        }
    }

    async fn come_with(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        held: &Held,
        most: u64,
        sink: &dyn BusSink,
    ) -> Result<Option<bool>, Disconnected> {
        life.note(&board.app, &board.channel, Use::List).await?;
        let mut pipeline = redis::pipe();
        self.put_join(&mut pipeline, life, board, held, &most.to_string(), "");
        let line = life
            .session
            .line_of(&self.names.list(&board.app, &board.channel));
        let answer = life.session.send(line, &pipeline).await?;
        match answer.first().and_then(JoinAnswer::read) {
            Some(JoinAnswer::Full) => Ok(None),
            Some(JoinAnswer::There {
                version,
                stamp,
                elsewhere,
                new,
            }) => {
                board.note(held.socket, &held.member.user_id, stamp, elsewhere);
                if board.is_watched() {
                    self.compare(life, board, sink).await?;
                    if new {
                        // What Redis announces is known here already; where nothing is missing before it, nothing is waited for.
                        let (change, member) = (Change::Came, held.member.clone());
                        let (came, socket) = (version, held.socket);
                        let own = Announced {
                            change,
                            version,
                            came,
                            member,
                            socket,
                            fresh: false,
                            own_death: false,
                        };
                        board.answered(own, &self.tells, sink);
                    }
                    self.reach(life, board, version, sink).await?;
                }
                Ok(Some(new))
            }
            None => Err(over(life)),
        }
    }

    /// Removes a connection of a user from a list. `true`: it was the user's last.
    pub(in crate::outbound::redis) async fn go(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
        sink: &dyn BusSink,
    ) -> bool {
        let Some(board) = self.find(app, channel.as_str()) else {
            return false;
        };
        match board.release(socket, user) {
            Some(()) => self.go_everywhere(&board, socket, user, None, sink).await,
            None => false,
        }
    }

    /// Takes a connection that the node does not hold any more away from Redis, or from what this node knows. Where a life later
    /// than the one that was asked has begun, it is asked, too: it may have been told of the connection before.
    async fn go_everywhere(
        &self,
        board: &Arc<ChannelReplica>,
        socket: SocketId,
        user: &UserId,
        mut asked: Option<Arc<Incarnation>>,
        sink: &dyn BusSink,
    ) -> bool {
        let mut last = false;
        loop {
            let life = self.life().filter(|_| self.is_later(asked.as_deref()));
            let gone = match &life {
                Some(life) => self.go_with(life, board, socket, user, sink).await,
                None => Err(Disconnected),
            };
            last |= gone
                .unwrap_or_else(|Disconnected| board.leave_alone(socket, user, &self.tells, sink));
            if !self.is_later(life.as_deref().or(asked.as_deref())) {
                break;
            }
            asked = life.or(asked);
        }
        self.tidy(board);
        last
    }

    async fn go_with(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        socket: SocketId,
        user: &UserId,
        sink: &dyn BusSink,
    ) -> Result<bool, Disconnected> {
        let (version, last) = self
            .run_leave(life, &board.app, &board.channel, &socket.to_string(), user)
            .await?;
        self.reach(life, board, version, sink).await?;
        Ok(last)
    }

    /// Waits until a board shows a version that Redis has announced.
    async fn reach(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        version: u64,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        loop {
            let moved = board.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if !board.is_watched() || board.has_reached(version) {
                return Ok(());
            }
            if tokio::time::timeout(ON_ITS_WAY, moved).await.is_err() {
                return self.reread(life, board, sink).await;
            }
        }
    }
}
