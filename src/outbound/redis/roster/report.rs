//! The wire form of the answers to a console's questions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::model::{ChannelName, SocketId, Timestamp, UserId};
use crate::core::ports::{
    ClosedBy, ClosedConnection, ConnectionInfo, DialectId, NodeOverview, NodeReport, NodeSample,
    TailBatch, TailEvent,
};

/// A [`NodeReport`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireReport {
    #[serde(rename = "l")]
    Connections(Vec<WireConnection>),
    #[serde(rename = "e")]
    Closed(Vec<WireClosed>),
    #[serde(rename = "d")]
    Done(bool),
    /// Connections, channels, the time of the start, samples.
    #[serde(rename = "o")]
    Overview(u64, u64, i64, Vec<WireSample>),
    #[serde(rename = "t")]
    Tail(u64, Vec<WireEvent>),
}

/// Who a connection is and was: id, dialect, address, user, the time of the upgrade.
#[derive(Debug, Serialize, Deserialize)]
struct WireIdentity(String, u8, Option<String>, Option<String>, i64);

/// Silent seconds, pending bytes, the number of channels, and the first of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireConnection(WireIdentity, u64, u64, u64, Vec<String>);

/// The time of the end, code, reason, and who closed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireClosed(WireIdentity, i64, u16, String, u8);

/// The members of a [`NodeSample`], in their order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireSample(i64, u64, u64, u64, u64, u64, u64, (u64, f64), (u64, f64));

/// The members of a [`TailEvent`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireEvent {
    #[serde(rename = "t")]
    at: i64,
    #[serde(rename = "c")]
    channel: String,
    #[serde(rename = "e")]
    event: String,
    #[serde(rename = "d")]
    data: String,
    #[serde(rename = "m")]
    mid: String,
    #[serde(rename = "s")]
    serial: Option<u64>,
    #[serde(rename = "o")]
    socket: Option<String>,
    #[serde(rename = "u")]
    user: Option<String>,
    #[serde(rename = "r")]
    recipients: u64,
    #[serde(rename = "x")]
    excluded: bool,
    #[serde(rename = "n")]
    node: u64,
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl WireIdentity {
    fn of(
        id: SocketId,
        dialect: DialectId,
        address: Option<std::net::IpAddr>,
        user: Option<&UserId>,
        opened: Timestamp,
    ) -> Self {
        Self(
            id.to_string(),
            dialect as u8,
            address.map(|address| address.to_string()),
            user.map(|user| user.as_str().to_owned()),
            opened.micros(),
        )
    }

    fn id(&self) -> Option<SocketId> {
        SocketId::parse(&self.0)
    }

    fn dialect(&self) -> DialectId {
        match self.1 {
            0 => DialectId::Pushi,
            2 => DialectId::Stream,
            _ => DialectId::Pusher,
        }
    }

    fn address(&self) -> Option<std::net::IpAddr> {
        self.2.as_ref()?.parse().ok()
    }

    fn user(&self) -> Option<UserId> {
        UserId::parse(self.3.as_ref()?)
    }
}

impl From<NodeReport> for WireReport {
    fn from(report: NodeReport) -> Self {
        match report {
            NodeReport::Connections(found) => {
                Self::Connections(found.into_iter().map(Into::into).collect())
            }
            NodeReport::Closed(found) => Self::Closed(found.into_iter().map(Into::into).collect()),
            NodeReport::Done(done) => Self::Done(done),
            NodeReport::Overview(measured) => Self::Overview(
                measured.connections,
                measured.channels,
                measured.started.micros(),
                measured.samples.into_iter().map(Into::into).collect(),
            ),
            NodeReport::Tail(batch) => Self::Tail(
                batch.skipped,
                batch.events.into_iter().map(Into::into).collect(),
            ),
        }
    }
}

impl WireReport {
    /// The answer; malformed entries are left out.
    pub(super) fn read(self) -> NodeReport {
        match self {
            Self::Connections(found) => NodeReport::Connections(
                found.into_iter().filter_map(WireConnection::read).collect(),
            ),
            Self::Closed(found) => {
                NodeReport::Closed(found.into_iter().filter_map(WireClosed::read).collect())
            }
            Self::Done(done) => NodeReport::Done(done),
            Self::Overview(connections, channels, started, samples) => {
                NodeReport::Overview(NodeOverview {
                    connections,
                    channels,
                    started: time(started),
                    samples: samples.into_iter().map(Into::into).collect(),
                })
            }
            Self::Tail(skipped, events) => NodeReport::Tail(TailBatch {
                skipped,
                events: events.into_iter().map(Into::into).collect(),
            }),
        }
    }
}

impl From<ConnectionInfo> for WireConnection {
    fn from(info: ConnectionInfo) -> Self {
        let identity = WireIdentity::of(
            info.id,
            info.dialect,
            info.address,
            info.user.as_ref(),
            info.opened,
        );
        let channels = info.channels.iter().map(ToString::to_string).collect();
        Self(
            identity,
            info.silent.as_secs(),
            info.pending_bytes,
            info.channel_count,
            channels,
        )
    }
}

impl WireConnection {
    fn read(self) -> Option<ConnectionInfo> {
        let Self(identity, silent, pending_bytes, channel_count, channels) = self;
        Some(ConnectionInfo {
            id: identity.id()?,
            dialect: identity.dialect(),
            address: identity.address(),
            user: identity.user(),
            opened: time(identity.4),
            silent: Duration::from_secs(silent),
            pending_bytes,
            channel_count,
            channels: channels
                .iter()
                .map(|name| ChannelName::trusted(name))
                .collect(),
        })
    }
}

impl From<ClosedConnection> for WireClosed {
    fn from(ended: ClosedConnection) -> Self {
        let identity = WireIdentity::of(
            ended.id,
            ended.dialect,
            ended.address,
            ended.user.as_ref(),
            ended.opened,
        );
        Self(
            identity,
            ended.closed.micros(),
            ended.code,
            ended.reason.into(),
            ended.by as u8,
        )
    }
}

impl WireClosed {
    fn read(self) -> Option<ClosedConnection> {
        let Self(identity, closed, code, reason, by) = self;
        Some(ClosedConnection {
            id: identity.id()?,
            dialect: identity.dialect(),
            address: identity.address(),
            user: identity.user(),
            opened: time(identity.4),
            closed: time(closed),
            code,
            reason: reason.into(),
            by: *ClosedBy::ALL.get(usize::from(by))?,
        })
    }
}

impl From<NodeSample> for WireSample {
    fn from(sample: NodeSample) -> Self {
        Self(
            sample.at.micros(),
            sample.connections,
            sample.channels,
            sample.publishes,
            sample.deliveries,
            sample.slow_readers,
            sample.errors,
            sample.store,
            sample.bus,
        )
    }
}

impl From<WireSample> for NodeSample {
    fn from(wire: WireSample) -> Self {
        Self {
            at: time(wire.0),
            connections: wire.1,
            channels: wire.2,
            publishes: wire.3,
            deliveries: wire.4,
            slow_readers: wire.5,
            errors: wire.6,
            store: wire.7,
            bus: wire.8,
        }
    }
}

impl From<TailEvent> for WireEvent {
    fn from(event: TailEvent) -> Self {
        Self {
            at: event.at.micros(),
            channel: event.channel.to_string(),
            event: event.event.as_ref().into(),
            data: event.data.as_ref().into(),
            mid: event.mid.as_ref().into(),
            serial: event.serial,
            socket: event.socket.as_deref().map(Into::into),
            user: event.user.map(|user| user.as_str().to_owned()),
            recipients: event.recipients,
            excluded: event.excluded,
            node: event.node,
        }
    }
}

impl From<WireEvent> for TailEvent {
    fn from(wire: WireEvent) -> Self {
        Self {
            at: time(wire.at),
            channel: ChannelName::trusted(&wire.channel),
            event: wire.event.into(),
            data: wire.data.into(),
            mid: wire.mid.into(),
            serial: wire.serial,
            socket: wire.socket.map(Into::into),
            user: wire.user.as_deref().and_then(UserId::parse),
            recipients: wire.recipients,
            excluded: wire.excluded,
            node: wire.node,
        }
    }
}
