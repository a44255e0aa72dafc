//! The wire form of the questions that a console asks all nodes.

use serde::{Deserialize, Serialize};

use crate::core::model::{AppIdent, ChannelName, SocketId, UserId};
use crate::core::ports::{AddressRange, ConnectionFilter, NodeQuery, TailFilter, TailPoll};

/// Which connections: user, channel, address.
type WireFilter = (Option<String>, Option<String>, Option<String>);

/// A [`NodeQuery`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireQuery {
    /// App, filter, the id before the first, the most connections and the most channels of each.
    #[serde(rename = "l")]
    Connections(String, WireFilter, Option<String>, usize, usize),
    /// App, id, the most channels.
    #[serde(rename = "i")]
    Connection(String, String, usize),
    /// App, user, address, the most connections.
    #[serde(rename = "e")]
    Closed(String, Option<String>, Option<String>, usize),
    /// App and id.
    #[serde(rename = "x")]
    Close(String, String),
    #[serde(rename = "o")]
    Overview(Option<String>),
    /// The watcher, app, prefix, event and the number of the poll.
    #[serde(rename = "t")]
    Tail((u64, u64), String, String, String, u64),
}

fn range_text(range: &AddressRange) -> String {
    format!("{}/{}", range.network, range.bits)
}

impl From<&NodeQuery> for WireQuery {
    fn from(query: &NodeQuery) -> Self {
        let app = |app: &AppIdent| app.as_str().to_owned();
        let user = |user: &Option<UserId>| user.as_ref().map(|user| user.as_str().to_owned());
        match query {
            NodeQuery::Connections {
                app: of,
                filter,
                after,
                limit,
                channels,
            } => {
                let wire = (
                    user(&filter.user),
                    filter.channel.as_ref().map(ToString::to_string),
                    filter.address.as_ref().map(range_text),
                );
                let after = after.map(|id| id.to_string());
                Self::Connections(app(of), wire, after, *limit, *channels)
            }
            NodeQuery::Connection {
                app: of,
                socket,
                channels,
            } => Self::Connection(app(of), socket.to_string(), *channels),
            NodeQuery::Closed {
                app: of,
                user: by,
                address,
                limit,
            } => Self::Closed(app(of), user(by), address.as_ref().map(range_text), *limit),
            NodeQuery::Close { app: of, socket } => Self::Close(app(of), socket.to_string()),
            NodeQuery::Overview { app: of } => Self::Overview(of.as_ref().map(app)),
            NodeQuery::Tail(poll) => {
                let TailFilter {
                    app: of,
                    prefix,
                    event,
                } = &poll.filter;
                Self::Tail(
                    poll.watcher,
                    app(of),
                    prefix.clone(),
                    event.clone(),
                    poll.number,
                )
            }
        }
    }
}

impl WireQuery {
    /// The question; `None`: malformed.
    pub(super) fn read(&self) -> Option<NodeQuery> {
        let app = |text: &String| AppIdent::trusted(text);
        Some(match self {
            Self::Connections(of, (user, channel, address), after, limit, channels) => {
                let filter = ConnectionFilter {
                    user: read(user, UserId::parse)?,
                    channel: read(channel, |text| Some(ChannelName::trusted(text)))?,
                    address: read(address, AddressRange::parse)?,
                };
                NodeQuery::Connections {
                    app: app(of),
                    filter,
                    after: read(after, SocketId::parse)?,
                    limit: *limit,
                    channels: *channels,
                }
            }
            Self::Connection(of, socket, channels) => NodeQuery::Connection {
                app: app(of),
                socket: SocketId::parse(socket)?,
                channels: *channels,
            },
            Self::Closed(of, user, address, limit) => NodeQuery::Closed {
                app: app(of),
                user: read(user, UserId::parse)?,
                address: read(address, AddressRange::parse)?,
                limit: *limit,
            },
            Self::Close(of, socket) => NodeQuery::Close {
                app: app(of),
                socket: SocketId::parse(socket)?,
            },
            Self::Overview(of) => NodeQuery::Overview {
                app: of.as_ref().map(app),
            },
            Self::Tail(watcher, of, prefix, event, number) => NodeQuery::Tail(TailPoll {
                watcher: *watcher,
                filter: TailFilter {
                    app: app(of),
                    prefix: prefix.clone(),
                    event: event.clone(),
                },
                number: *number,
            }),
        })
    }
}

/// A value that may be missing; `None`: it is there and malformed.
fn read<T>(text: &Option<String>, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}
