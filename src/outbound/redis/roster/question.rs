//! What nodes ask each other, and what they answer.

use serde::{Deserialize, Serialize};

use crate::core::hub::Hub;
use crate::core::model::{AppIdent, ChannelName, SocketId, SocketInfo};

/// A question about the connections of an app.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    #[serde(rename = "a")]
    app: String,
    #[serde(rename = "q")]
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
enum What {
    /// Those behind an id, at most so many.
    #[serde(rename = "s")]
    Sockets(Option<String>, usize),
    /// The one with this id.
    #[serde(rename = "i")]
    Socket(String),
    /// Those with a prefix, behind a name, at most so many.
    #[serde(rename = "c")]
    Channels(String, Option<String>, usize),
    /// How many are on this one.
    #[serde(rename = "o")]
    Occupancy(String),
}

/// What one node has.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Connections with their channels.
    #[serde(rename = "s")]
    Sockets(Vec<(String, Vec<String>)>),
    /// Channels with their connections.
    #[serde(rename = "c")]
    Channels(Vec<(String, u64)>),
}

impl Question {
    fn of(app: &AppIdent, what: What) -> Self {
        Self {
            app: app.as_str().to_owned(),
            what,
        }
    }

    pub fn sockets(app: &AppIdent, after: Option<SocketId>, limit: usize) -> Self {
        Self::of(app, What::Sockets(after.map(|id| id.to_string()), limit))
    }

    pub fn socket(app: &AppIdent, id: SocketId) -> Self {
        Self::of(app, What::Socket(id.to_string()))
    }

    pub fn channels(
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Self {
        Self::of(
            app,
            What::Channels(prefix.to_owned(), after.map(ToString::to_string), limit),
        )
    }

    pub fn occupancy(app: &AppIdent, channel: &ChannelName) -> Self {
        Self::of(app, What::Occupancy(channel.to_string()))
    }

    /// What this node has.
    pub fn answer(&self, hub: &Hub) -> Answer {
        let hub = hub.app(&AppIdent::trusted(&self.app));
        let found = |sockets: Vec<SocketInfo>| {
            let named = |socket: SocketInfo| {
                (
                    socket.id.to_string(),
                    socket.channels.iter().map(ToString::to_string).collect(),
                )
            };
            Answer::Sockets(sockets.into_iter().map(named).collect())
        };
        match &self.what {
            What::Sockets(after, limit) => {
                let after = after.as_deref().and_then(SocketId::parse);
                found(hub.map_or_else(Vec::new, |hub| hub.sockets(after, *limit)))
            }
            What::Socket(id) => found(
                hub.zip(SocketId::parse(id))
                    .and_then(|(hub, id)| hub.socket(id))
                    .into_iter()
                    .collect(),
            ),
            What::Channels(prefix, after, limit) => {
                let after = after.as_deref().map(ChannelName::trusted);
                let channels =
                    hub.map_or_else(Vec::new, |hub| hub.channels(prefix, after.as_ref(), *limit));
                Answer::Channels(
                    channels
                        .iter()
                        .map(|found| (found.channel.to_string(), found.occupancy.subscriptions))
                        .collect(),
                )
            }
            What::Occupancy(channel) => {
                let count = hub.map_or(0, |hub| {
                    hub.occupancy(&ChannelName::trusted(channel)).subscriptions
                });
                Answer::Channels(vec![(channel.clone(), count)])
            }
        }
    }
}

impl Answer {
    pub fn sockets(&self) -> impl Iterator<Item = SocketInfo> {
        let sockets = match self {
            Self::Sockets(sockets) => sockets.as_slice(),
            Self::Channels(_) => &[],
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

    pub fn channels(&self) -> impl Iterator<Item = (ChannelName, u64)> {
        let channels = match self {
            Self::Channels(channels) => channels.as_slice(),
            Self::Sockets(_) => &[],
        };
        channels
            .iter()
            .map(|(name, count)| (ChannelName::trusted(name), *count))
    }
}
