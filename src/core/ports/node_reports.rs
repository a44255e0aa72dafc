//! What the nodes ask each other about themselves, for a console that shows all of them.

use ::core::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::DialectId;
use crate::core::model::{AppIdent, ChannelName, SocketId, Timestamp, UserId};

/// A range of addresses: those whose first `bits` are those of `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The address, or the network.
    pub network: IpAddr,
    /// The number of bits that count.
    pub bits: u8,
}

impl AddressRange {
    /// From an address, or a network such as `10.0.0.0/8`.
    pub fn parse(text: &str) -> Option<Self> {
        let (network, bits) = match text.split_once('/') {
            Some((network, bits)) => (network, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().ok()?;
        let all = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= all)?,
            None => all,
        };
        Some(Self { network, bits })
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = match (self.network, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        differs.leading_zeros() >= u32::from(self.bits)
    }
}

/// The connections that are listed; `None`: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Signed in as this user, or this user on a presence channel.
    pub user: Option<UserId>,
    /// Subscribed to this channel.
    pub channel: Option<ChannelName>,
    /// With an address in this range.
    pub address: Option<AddressRange>,
}

/// A question to every node about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeQuery {
    /// The live connections after an id, in the order of their ids, with the first `channels` channels of each.
    Connections {
        /// Their app.
        app: AppIdent,
        /// Which of them.
        filter: ConnectionFilter,
        /// The id before the first.
        after: Option<SocketId>,
        /// The most connections.
        limit: usize,
        /// The most channels of a connection.
        channels: usize,
    },
    /// One live connection, with its first `channels` channels.
    Connection {
        /// Its app.
        app: AppIdent,
        /// Its id.
        socket: SocketId,
        /// The most channels.
        channels: usize,
    },
    /// The connections that ended last, newest first.
    Closed {
        /// Their app.
        app: AppIdent,
        /// Those of this user; `None`: of any.
        user: Option<UserId>,
        /// Those with an address in this range; `None`: any.
        address: Option<AddressRange>,
        /// The most connections.
        limit: usize,
    },
    /// A request to close a live connection.
    Close {
        /// Its app.
        app: AppIdent,
        /// Its id.
        socket: SocketId,
    },
    /// The measured values of the node; with an app its numbers alone.
    Overview {
        /// The app; `None`: the whole node.
        app: Option<AppIdent>,
    },
    /// The events that were published at the node since the last poll.
    Tail(TailPoll),
}

/// A poll of the events that were published at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailPoll {
    /// The asking node and its number for the watcher.
    pub watcher: (u64, u64),
    /// Which events.
    pub filter: TailFilter,
    /// The number of the poll, from 1. A repeated poll gets the same answer.
    pub number: u64,
}

/// The published events that are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailFilter {
    /// Their app.
    pub app: AppIdent,
    /// What the channels' names begin with; empty: all channels.
    pub prefix: String,
    /// The name of the event; empty: all events.
    pub event: String,
}

/// The answer of a node to a [`NodeQuery`].
#[derive(Debug, Clone, PartialEq)]
pub enum NodeReport {
    /// Live connections.
    Connections(Vec<ConnectionInfo>),
    /// Ended connections.
    Closed(Vec<ClosedConnection>),
    /// Whether the node did what it was asked for.
    Done(bool),
    /// Measured values.
    Overview(NodeOverview),
    /// Published events.
    Tail(TailBatch),
}

/// The answers of the other nodes.
#[derive(Debug, Default)]
pub struct NodeReports {
    /// The process numbers of the nodes, with their answers.
    pub reports: Vec<(u64, NodeReport)>,
    /// The nodes that did not answer in time.
    pub silent: Vec<u64>,
}

/// A live connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its id.
    pub id: SocketId,
    /// The dialect of its frames.
    pub dialect: DialectId,
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// The user that it is signed in as, or that it is on a presence channel.
    pub user: Option<UserId>,
    /// The time of the upgrade.
    pub opened: Timestamp,
    /// For how long nothing was received from the client, to a second.
    pub silent: Duration,
    /// Bytes that the client has not taken yet.
    pub pending_bytes: u64,
    /// The number of its channels.
    pub channel_count: u64,
    /// The first of them, ordered by name.
    pub channels: Vec<ChannelName>,
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client, with a close frame.
    Client,
    /// The server.
    Server,
    /// Nobody: the network connection ended.
    Lost,
}

impl ClosedBy {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Lost];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Lost => "lost",
        }
    }
}

/// A connection that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedConnection {
    /// Its id.
    pub id: SocketId,
    /// The dialect of its frames.
    pub dialect: DialectId,
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// The user that it was signed in as, or that it was on a presence channel.
    pub user: Option<UserId>,
    /// The time of the upgrade.
    pub opened: Timestamp,
    /// The time of the end.
    pub closed: Timestamp,
    /// The code of the close frame; 1005: it had none; 1006: there was no close frame.
    pub code: u16,
    /// The reason in the close frame.
    pub reason: Box<str>,
    /// Who ended it.
    pub by: ClosedBy,
}

/// The measured values of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeOverview {
    /// The live connections.
    pub connections: u64,
    /// The channels with subscriptions on the node.
    pub channels: u64,
    /// The time of the node's start.
    pub started: Timestamp,
    /// The samples, oldest first.
    pub samples: Vec<NodeSample>,
}

/// What a node measured in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NodeSample {
    /// The end of the interval.
    pub at: Timestamp,
    /// The live connections.
    pub connections: u64,
    /// The channels with subscriptions.
    pub channels: u64,
    /// The accepted publishes in the interval.
    pub publishes: u64,
    /// The deliveries in the interval.
    pub deliveries: u64,
    /// The connections that were closed because they read too slowly.
    pub slow_readers: u64,
    /// Error frames, and failed calls of store and bus.
    pub errors: u64,
    /// Calls of the store, and their whole duration in seconds.
    pub store: (u64, f64),
    /// Messages through the bus, and their whole duration in seconds.
    pub bus: (u64, f64),
}

/// A published event, as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailEvent {
    /// The time at which it was accepted.
    pub at: Timestamp,
    /// The channel.
    pub channel: ChannelName,
    /// The event's name.
    pub event: Arc<str>,
    /// The payload.
    pub data: Arc<str>,
    /// The event's id.
    pub mid: Arc<str>,
    /// The serial of a stored event.
    pub serial: Option<u64>,
    /// The connection that published it; `None`: a back end did.
    pub socket: Option<Arc<str>>,
    /// The user of that connection.
    pub user: Option<UserId>,
    /// The connections of the node for which it was.
    pub recipients: u64,
    /// Whether the publishing connection does not receive it.
    pub excluded: bool,
    /// The node at which it was published.
    pub node: u64,
}

impl TailEvent {
    /// Its bytes in a buffer.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.channel.as_str().len()
            + self.event.len()
            + self.data.len()
            + self.mid.len()
    }
}

/// Published events that a watcher has not received yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailBatch {
    /// The events left out before these, because there was no space for them.
    pub skipped: u64,
    /// The events, in the order in which they were published.
    pub events: Vec<TailEvent>,
}
