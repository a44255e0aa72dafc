//! The questions that nodes ask each other, and their answers.

use serde::{Deserialize, Serialize};

use super::query::WireQuery;
use super::report::WireReport;
use crate::core::hub::Hub;
use crate::core::model::{AppIdent, ChannelName, SocketId, SocketInfo, UserId};
use crate::core::ports::{BusSink, NodeQuery, NodeReport};

/// A question about the connections of an app.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeQuestion {
    #[serde(rename = "a")]
    app: String,
    #[serde(rename = "q")]
    kind: QuestionKind,
}

#[derive(Debug, Serialize, Deserialize)]
enum QuestionKind {
    /// The sockets after an id, up to a limit.
    #[serde(rename = "s")]
    Sockets(Option<String>, usize),
    /// The socket with an id.
    #[serde(rename = "i")]
    Socket(String),
    /// The channels with a prefix, after a name, up to a limit.
    #[serde(rename = "c")]
    Channels(String, Option<String>, usize),
    /// The subscriptions of a channel.
    #[serde(rename = "o")]
    Occupancy(String),
    /// Whether a user is on a channel.
    #[serde(rename = "u")]
    IsOn(String, String),
    /// A question of a console.
    #[serde(rename = "n")]
    Query(WireQuery),
}

/// The answer of one node, about its own connections.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum NodeAnswer {
    /// Socket ids with their channels.
    #[serde(rename = "s")]
    Sockets(Vec<(String, Vec<String>)>),
    /// Channels with their numbers of subscriptions.
    #[serde(rename = "c")]
    Channels(Vec<(String, u64)>),
    /// Yes or no.
    #[serde(rename = "b")]
    Is(bool),
    /// The answer to a question of a console.
    #[serde(rename = "n")]
    Report(WireReport),
}

impl NodeQuestion {
    fn new(app: &AppIdent, kind: QuestionKind) -> Self {
        Self {
            app: app.as_str().to_owned(),
            kind,
        }
    }

    /// Asks for the sockets after an id.
    pub(super) fn sockets(app: &AppIdent, after: Option<SocketId>, limit: usize) -> Self {
        Self::new(
            app,
            QuestionKind::Sockets(after.map(|id| id.to_string()), limit),
        )
    }

    /// Asks for one socket.
    pub(super) fn socket(app: &AppIdent, id: SocketId) -> Self {
        Self::new(app, QuestionKind::Socket(id.to_string()))
    }

    /// Asks for the channels with a prefix, after a name.
    pub(super) fn channels(
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Self {
        Self::new(
            app,
            QuestionKind::Channels(prefix.to_owned(), after.map(ToString::to_string), limit),
        )
    }

    /// Asks for the subscriptions of a channel.
    pub(super) fn occupancy(app: &AppIdent, channel: &ChannelName) -> Self {
        Self::new(app, QuestionKind::Occupancy(channel.to_string()))
    }

    /// Asks whether a user is on a channel.
    pub(super) fn is_on(app: &AppIdent, user: &UserId, channel: &ChannelName) -> Self {
        let kind = QuestionKind::IsOn(user.as_str().to_owned(), channel.to_string());
        Self::new(app, kind)
    }

    /// Asks what a console asks.
    pub(super) fn query(query: &NodeQuery) -> Self {
        Self {
            app: String::new(),
            kind: QuestionKind::Query(query.into()),
        }
    }

    /// The answer of this node, with its connections and the receiver of its messages; `None`: it cannot answer.
    pub(super) fn answered_by(&self, hub: &Hub, sink: &dyn BusSink) -> Option<NodeAnswer> {
        match &self.kind {
            QuestionKind::Query(query) => {
                let report = sink.report(query.read()?)?;
                Some(NodeAnswer::Report(report.into()))
            }
            _ => Some(self.answer(hub)),
        }
    }

    /// The answer of this node to a question about its connections.
    pub(super) fn answer(&self, hub: &Hub) -> NodeAnswer {
        let hub = hub.app(&AppIdent::trusted(&self.app));
        let encode_all = |sockets: Vec<SocketInfo>| {
            let encode = |socket: SocketInfo| {
                (
                    socket.id.to_string(),
                    socket.channels.iter().map(ToString::to_string).collect(),
                )
            };
            NodeAnswer::Sockets(sockets.into_iter().map(encode).collect())
        };
        match &self.kind {
            QuestionKind::Sockets(after, limit) => {
                let after = after.as_deref().and_then(SocketId::parse);
                encode_all(hub.map_or_else(Vec::new, |hub| hub.sockets(after, *limit)))
            }
            QuestionKind::Socket(id) => encode_all(
                hub.zip(SocketId::parse(id))
                    .and_then(|(hub, id)| hub.socket(id))
                    .into_iter()
                    .collect(),
            ),
            QuestionKind::Channels(prefix, after, limit) => {
                let after = after.as_deref().map(ChannelName::trusted);
                let channels =
                    hub.map_or_else(Vec::new, |hub| hub.channels(prefix, after.as_ref(), *limit));
                NodeAnswer::Channels(
                    channels
                        .iter()
                        .map(|found| (found.channel.to_string(), found.occupancy.subscriptions))
                        .collect(),
                )
            }
            QuestionKind::Occupancy(channel) => {
                let count = hub.map_or(0, |hub| {
                    hub.occupancy(&ChannelName::trusted(channel)).subscriptions
                });
                NodeAnswer::Channels(vec![(channel.clone(), count)])
            }
            QuestionKind::IsOn(user, channel) => {
                let channel = ChannelName::trusted(channel);
                let found = hub.zip(UserId::parse(user));
                NodeAnswer::Is(found.is_some_and(|(hub, user)| hub.has_user_on(&user, &channel)))
            }
            QuestionKind::Query(_) => NodeAnswer::Channels(Vec::new()),
        }
    }
}

impl NodeAnswer {
    /// The sockets of the answer.
    pub(super) fn sockets(&self) -> impl Iterator<Item = SocketInfo> {
        let sockets = match self {
            Self::Sockets(sockets) => sockets.as_slice(),
            Self::Channels(_) | Self::Is(_) | Self::Report(_) => &[],
        };
        sockets.iter().filter_map(|(id, channels)| {
            Some(SocketInfo {
                id: SocketId::parse(id)?,
                channels: channels
                    .iter()
                    .map(|name| ChannelName::trusted(name))
                    .collect(),
            })
        })
    }

    /// Whether the answer is yes.
    pub(super) fn is_yes(&self) -> bool {
        matches!(self, Self::Is(true))
    }

    /// The answer to a question of a console.
    pub(super) fn into_report(self) -> Option<NodeReport> {
        match self {
            Self::Report(report) => Some(report.read()),
            Self::Sockets(_) | Self::Channels(_) | Self::Is(_) => None,
        }
    }

    /// The channels of the answer, with their numbers of subscriptions.
    pub(super) fn channels(&self) -> impl Iterator<Item = (ChannelName, u64)> {
        let channels = match self {
            Self::Channels(channels) => channels.as_slice(),
            Self::Sockets(_) | Self::Is(_) | Self::Report(_) => &[],
        };
        channels
            .iter()
            .map(|(name, count)| (ChannelName::trusted(name), *count))
    }
}
