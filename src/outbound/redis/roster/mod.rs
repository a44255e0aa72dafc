//! The connections of all nodes.
//!
//! Each node has only its own connections, so questions about them are sent to every node. State that
//! requires one atomic decision over all nodes is in Redis: for each channel the number of
//! connections of each node, and the signed-in users, which are the members of a hidden presence
//! channel.

mod asking;
mod counting;
mod query;
mod question;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::asking::PendingQuestions;
use self::counting::{CountQueue, CountRequest};
use self::question::{NodeAnswer, NodeQuestion};
use crate::core::error::BusError;
use crate::core::hub::Hub;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, Member, Occupancy, OccupiedChannel, SocketId, SocketInfo,
    UserId,
};
use crate::core::ports::{NodeQuery, NodeReports, OccupancyUpdate, Online, Roster};
use crate::outbound::redis::connection::{Connections, Disconnected, MessageBody, NodeMessage};
use crate::outbound::redis::node::{Incarnation, NodeTasks, ReceivedMessage, Receiver, RedisNode};
use crate::outbound::redis::presence::{RedisPresence, SIGNED_IN_USERS};

/// How long the other nodes may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The connections of all nodes.
pub(super) struct RedisRoster {
    node: Arc<RedisNode>,
    presence: Arc<RedisPresence>,
    hub: Arc<Hub>,
    questions: PendingQuestions,
    counts: CountQueue,
}

fn bus_error(disconnected: Disconnected) -> BusError {
    BusError(disconnected.into())
}

/// The hidden presence channel of an app's signed-in users.
fn signed_in_users() -> ChannelName {
    ChannelName::trusted(SIGNED_IN_USERS)
}

impl RedisRoster {
    /// Over the connections of a node. `hub` has its clients, `presence` the signed-in users.
    pub(super) fn new(node: Arc<RedisNode>, presence: Arc<RedisPresence>, hub: Arc<Hub>) -> Self {
        Self {
            node,
            presence,
            hub,
            questions: PendingQuestions::default(),
            counts: CountQueue::default(),
        }
    }

    fn incarnation(&self) -> Result<Arc<Incarnation>, BusError> {
        self.node
            .incarnation()
            .ok_or_else(|| bus_error(Disconnected))
    }

    /// The answers of all nodes.
    async fn ask(&self, question: &NodeQuestion) -> Result<Vec<NodeAnswer>, BusError> {
        let incarnation = self.incarnation()?;
        let own = question.answer(&self.hub);
        let asking = self.questions.ask(&self.node, &incarnation, question);
        let mut answers = tokio::time::timeout(ANSWER_TIMEOUT, asking)
            .await
            .map_err(|_| bus_error(Disconnected))?
            .map_err(bus_error)?;
        answers.push(own);
        Ok(answers)
    }

    /// The numbers of users of channels, in their order; 0 where a channel is no presence channel.
    async fn user_counts(
        &self,
        app: &AppIdent,
        channels: impl Iterator<Item = &ChannelName>,
    ) -> Result<Vec<u64>, BusError> {
        let incarnation = self.incarnation()?;
        counting::user_counts(&incarnation, self.node.names(), app, channels)
            .await
            .map_err(bus_error)
    }

    /// Subscribes to the changes of an app's signed-in users.
    async fn watch_users(&self, app: &AppIdent) {
        self.presence.watch(app, &signed_in_users()).await;
    }

    /// Answers the question of another node.
    fn answer(
        &self,
        connections: &Arc<Connections>,
        number: u64,
        reply_topic: &str,
        question: &str,
    ) {
        let Ok(question) = serde_json::from_str::<NodeQuestion>(question) else {
            return;
        };
        let sink = self.node.sink();
        let answer = question.answered_by(&self.hub, &*sink);
        let Some(Ok(answer)) = answer.map(|answer| serde_json::to_string(&answer)) else {
            return;
        };
        let message = NodeMessage {
            node: self.node.process(),
            sequence: 0,
            resent: false,
            body: MessageBody::Answer(number, answer.into()),
        };
        let Ok(text) = serde_json::to_vec(&message) else {
            return;
        };
        let mut pipeline = redis::pipe();
        pipeline
            .cmd(connections.publish_command())
            .arg(reply_topic)
            .arg(text);
        let server = connections.server_of(reply_topic);
        let connections = Arc::clone(connections);
        // A lost answer needs no handling: the asking node repeats the question.
        tokio::spawn(async move { connections.send(server, &pipeline).await.map(|_| ()) });
    }
}

#[async_trait]
impl Receiver for RedisRoster {
    async fn on_connected(
        self: Arc<Self>,
        incarnation: &Arc<Incarnation>,
        tasks: &mut NodeTasks,
    ) -> Result<(), Disconnected> {
        let incarnation = Arc::clone(incarnation);
        tasks.spawn(async move {
            self.counts.connected(&self.hub);
            self.counts
                .run(
                    &incarnation,
                    self.node.names(),
                    self.node.process(),
                    &self.hub,
                )
                .await
        });
        Ok(())
    }

    fn on_disconnected(&self) {
        self.counts.disconnected();
    }

    fn on_message(&self, received: &ReceivedMessage<'_>) {
        match &received.message.body {
            MessageBody::Question(number, reply_topic, question)
                if received.message.node != self.node.process() =>
            {
                self.answer(received.connections, *number, reply_topic, question);
            }
            MessageBody::Answer(number, answer) => {
                if let Ok(answer) = serde_json::from_str(answer) {
                    self.questions
                        .answered(*number, received.message.node, answer);
                }
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Roster for RedisRoster {
    async fn ask_nodes(
        &self,
        query: &NodeQuery,
        within: Duration,
    ) -> Result<NodeReports, BusError> {
        let incarnation = self.incarnation()?;
        let question = NodeQuestion::query(query);
        let asked = self
            .questions
            .ask_within(&self.node, &incarnation, &question, within)
            .await;
        let (answers, silent) = asked.map_err(bus_error)?;
        let reports = answers
            .into_iter()
            .filter_map(|(node, answer)| Some((node, answer.into_report()?)));
        Ok(NodeReports {
            reports: reports.collect(),
            silent,
        })
    }

    async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError> {
        let answers = self.ask(&NodeQuestion::sockets(app, after, limit)).await?;
        let mut found: Vec<SocketInfo> = answers.iter().flat_map(NodeAnswer::sockets).collect();
        found.sort_unstable_by_key(|socket| socket.id);
        found.truncate(limit);
        Ok(found)
    }

    async fn socket(&self, app: &AppIdent, id: SocketId) -> Result<Option<SocketInfo>, BusError> {
        if id.process == self.node.process() {
            return Ok(self.hub.app(app).and_then(|hub| hub.socket(id)));
        }
        let answers = self.ask(&NodeQuestion::socket(app, id)).await?;
        Ok(answers.iter().flat_map(NodeAnswer::sockets).next())
    }

    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError> {
        let answers = self
            .ask(&NodeQuestion::channels(app, prefix, after, limit))
            .await?;
        let mut counts: HashMap<ChannelName, u64> = HashMap::new();
        for (channel, count) in answers.iter().flat_map(NodeAnswer::channels) {
            *counts.entry(channel).or_default() += count;
        }
        let mut found: Vec<_> = counts.into_iter().collect();
        found.sort_unstable();
        found.truncate(limit);
        let users = self
            .user_counts(app, found.iter().map(|(channel, _)| channel))
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
        let answers = self.ask(&NodeQuestion::occupancy(app, channel)).await?;
        let subscriptions: u64 = answers
            .iter()
            .flat_map(NodeAnswer::channels)
            .map(|(_, count)| count)
            .sum();
        if subscriptions == 0 || channel.kind() != ChannelKind::Presence {
            return Ok(Occupancy {
                subscriptions,
                users: 0,
            });
        }
        let users = self.user_counts(app, std::iter::once(channel)).await?;
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
        let (request, counted) = CountRequest::new(app, channel, announce);
        self.counts.push(request);
        counted.await.map_err(|_| bus_error(Disconnected))
    }

    async fn sign_in(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        self.watch_users(app).await;
        // Watchers receive the user's id only, so there is no data.
        let member = Member {
            user_id: user.clone(),
            data: "".into(),
            peer: false,
        };
        self.presence
            .add_connection(app, &signed_in_users(), socket, member, 0)
            .await;
        Ok(())
    }

    async fn sign_out(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        self.presence
            .remove_connection(app, &signed_in_users(), socket, user)
            .await;
        Ok(())
    }

    async fn is_on(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<bool, BusError> {
        let here = self.hub.app(app);
        if here.is_some_and(|hub| hub.has_user_on(user, channel)) {
            return Ok(true);
        }
        let answers = self.ask(&NodeQuestion::is_on(app, user, channel)).await?;
        Ok(answers.iter().any(NodeAnswer::is_yes))
    }

    async fn online(&self, app: &AppIdent, users: &[UserId]) -> Result<Online, BusError> {
        self.watch_users(app).await;
        let (online, version) = self.presence.contains(app, &signed_in_users(), users);
        Ok(Online { online, version })
    }
}
