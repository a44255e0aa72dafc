//! Who is connected, over all nodes.
//!
//! Connections are known to their node alone, and questions about them go to every node. What must be judged over all
//! nodes in one step is in Redis: for each channel the nodes with somebody on it, and, as a list like that of a presence
//! channel, the signed-in users.

mod asking;
mod counting;
mod question;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::asking::Asking;
use self::counting::{Counting, Request};
use self::question::{Answer, Question};
use crate::core::error::BusError;
use crate::core::hub::Hub;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, Member, Occupancy, OccupiedChannel, SocketId, SocketInfo,
    UserId,
};
use crate::core::ports::{OccupancyUpdate, Online, Roster};
use crate::outbound::redis::connection::Disconnected;
use crate::outbound::redis::node::{Incarnation, LocalDirectory, RedisNode};
use crate::outbound::redis::presence::SIGNED_IN;

/// How long the other nodes may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who is connected, over all nodes.
pub struct RedisRoster {
    mesh: Arc<RedisNode>,
    hub: Arc<Hub>,
    asking: Asking,
    counting: Counting,
}

fn away(away: Disconnected) -> BusError {
    BusError(away.into())
}

/// The list of an app's signed-in users.
fn signed_in() -> ChannelName {
    ChannelName::trusted(SIGNED_IN)
}

impl RedisRoster {
    /// Over the connections of a node, and what its `hub` knows.
    pub fn new(mesh: Arc<RedisNode>, hub: Arc<Hub>) -> Arc<Self> {
        let roster = Arc::new(Self {
            mesh,
            hub,
            asking: Asking::default(),
            counting: Counting::default(),
        });
        let census: std::sync::Weak<Self> = Arc::downgrade(&roster);
        roster.mesh.attach_census(census);
        roster
    }

    /// What this node and every other one answer.
    async fn ask(&self, question: &Question) -> Result<Vec<Answer>, BusError> {
        let life = self
            .mesh
            .boards()
            .life()
            .ok_or_else(|| away(Disconnected))?;
        let own = question.answer(&self.hub);
        let asked = self.asking.ask(&self.mesh, &life, question);
        let mut answers = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| away(Disconnected))?
            .map_err(away)?;
        answers.push(own);
        Ok(answers)
    }

    /// How many users are on presence channels, for each channel in order; 0 for other kinds.
    async fn users(
        &self,
        app: &AppIdent,
        channels: impl Iterator<Item = &ChannelName>,
    ) -> Result<Vec<u64>, BusError> {
        let life = self
            .mesh
            .boards()
            .life()
            .ok_or_else(|| away(Disconnected))?;
        counting::users(&life, self.mesh.names(), app, channels)
            .await
            .map_err(away)
    }

    /// Sees to it that this node hears who signs in.
    async fn watch_users(&self, app: &AppIdent) {
        self.mesh.watch_list(app, &signed_in()).await;
    }
}

#[async_trait]
impl LocalDirectory for RedisRoster {
    fn answer(&self, question: &str) -> Option<String> {
        let question: Question = serde_json::from_str(question).ok()?;
        serde_json::to_string(&question.answer(&self.hub)).ok()
    }

    fn answered(&self, number: u64, answer: &str) {
        if let Ok(answer) = serde_json::from_str(answer) {
            self.asking.answered(number, answer);
        }
    }

    async fn take_part(&self, life: &Arc<Incarnation>) -> Result<(), Disconnected> {
        self.counting.rise(&self.hub);
        self.counting
            .keep_counting(life, self.mesh.names(), self.mesh.process(), &self.hub)
            .await
    }

    fn fall(&self) {
        self.counting.fall();
    }
}

#[async_trait]
impl Roster for RedisRoster {
    async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError> {
        let answers = self.ask(&Question::sockets(app, after, limit)).await?;
        let mut found: Vec<SocketInfo> = answers.iter().flat_map(Answer::sockets).collect();
        found.sort_unstable_by_key(|socket| socket.id);
        found.truncate(limit);
        Ok(found)
    }

    async fn socket(&self, app: &AppIdent, id: SocketId) -> Result<Option<SocketInfo>, BusError> {
        if id.process == self.mesh.process() {
            return Ok(self.hub.app(app).and_then(|hub| hub.socket(id)));
        }
        let answers = self.ask(&Question::socket(app, id)).await?;
        Ok(answers.iter().flat_map(Answer::sockets).next())
    }

    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError> {
        let answers = self
            .ask(&Question::channels(app, prefix, after, limit))
            .await?;
        let mut counts: HashMap<ChannelName, u64> = HashMap::new();
        for (channel, count) in answers.iter().flat_map(Answer::channels) {
            *counts.entry(channel).or_default() += count;
        }
        let mut found: Vec<_> = counts.into_iter().collect();
        found.sort_unstable();
        found.truncate(limit);
        let users = self
            .users(app, found.iter().map(|(channel, _)| channel))
            .await?;
        let occupied = |((channel, subscriptions), users)| OccupiedChannel {
            channel,
            occupancy: Occupancy {
                subscriptions,
                users,
            },
        };
        Ok(found.into_iter().zip(users).map(occupied).collect())
    }

    async fn occupancy(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Occupancy, BusError> {
        let answers = self.ask(&Question::occupancy(app, channel)).await?;
        let subscriptions: u64 = answers
            .iter()
            .flat_map(Answer::channels)
            .map(|(_, count)| count)
            .sum();
        if subscriptions == 0 || channel.kind() != ChannelKind::Presence {
            return Ok(Occupancy {
                subscriptions,
                users: 0,
            });
        }
        let users = self.users(app, std::iter::once(channel)).await?;
        Ok(Occupancy {
            subscriptions,
            users: users.first().copied().unwrap_or(0),
        })
    }

    async fn recount(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> Result<OccupancyUpdate, BusError> {
        let (request, counted) = Request::new(app, channel, announce);
        self.counting.enter(request);
        counted.await.map_err(|_| away(Disconnected))
    }

    async fn sign_in(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        self.watch_users(app).await;
        // Nobody is shown more of a signed-in user than its id.
        let member = Member {
            user_id: user.clone(),
            data: "".into(),
            peer: false,
        };
        self.mesh
            .boards()
            .come(app, &signed_in(), socket, member, 0, &*self.mesh.sink())
            .await;
        Ok(())
    }

    async fn sign_out(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        self.mesh
            .boards()
            .go(app, &signed_in(), socket, user, &*self.mesh.sink())
            .await;
        Ok(())
    }

    async fn online(&self, app: &AppIdent, users: &[UserId]) -> Result<Online, BusError> {
        self.watch_users(app).await;
        let (online, version) = self.mesh.boards().has(app, &signed_in(), users);
        Ok(Online { online, version })
    }
}
