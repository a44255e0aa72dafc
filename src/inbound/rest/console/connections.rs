//! Live connections, and those that ended last.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};

use super::{app, limit, names};
use crate::core::model::{SocketId, UserId};
use crate::core::ports::{
    AddressRange, ClosedConnection, ConnectionFilter, ConnectionInfo, DialectId,
};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::{EmptyResult, JsonAnswer, done};
use crate::inbound::rest::params::{self, AnyAddress, AnyChannel, AnyUserId, Ident, Param, Whole};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::publication::read_channel;
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

/// The default number of connections, and the most in one answer: live ones, and ended ones.
const COUNT: usize = 100;
const MOST: usize = 250;
const MOST_CLOSED: usize = 1000;

/// A live connection.
#[derive(Debug, Object)]
#[oai(rename = "LiveConnection")]
pub(in crate::inbound::rest) struct ShownConnection {
    /// The id of the connection.
    pub socket_id: String,
    /// The node of the connection.
    pub node: String,
    /// The dialect of its frames: `pushi`, `pusher` or `stream`.
    pub dialect: String,
    /// The client's address; absent if it is unknown.
    #[oai(skip_serializing_if_is_none)]
    pub address: Option<String>,
    /// The user that it is signed in as, or that it is on a presence channel; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<String>,
    /// Time of the upgrade, in seconds since 1970.
    pub opened: f64,
    /// Time of the last message, ping or pong of the client, to a second, in seconds since 1970.
    pub last_seen: f64,
    /// Bytes that the client has not taken yet.
    pub pending_bytes: u64,
    /// Number of channels that it is subscribed to.
    pub channel_count: u64,
    /// The first channels, ordered by name: up to 10 in a list, 1000 of one connection.
    pub channels: Vec<String>,
}

/// A page of live connections.
#[derive(Debug, Object)]
#[oai(rename = "LiveConnections")]
pub(in crate::inbound::rest) struct ShownConnections {
    /// The connections, ordered by their ids.
    pub connections: Vec<ShownConnection>,
    /// Whether others follow.
    pub more: bool,
    /// Nodes that did not answer in time, whose connections are missing.
    pub silent_nodes: Vec<String>,
}

/// A connection that has ended.
#[derive(Debug, Object)]
#[oai(rename = "ClosedConnection")]
pub(in crate::inbound::rest) struct ShownClosed {
    /// The id of the connection.
    pub socket_id: String,
    /// The node of the connection.
    pub node: String,
    /// The dialect of its frames: `pushi`, `pusher` or `stream`.
    pub dialect: String,
    /// The client's address; absent if it is unknown.
    #[oai(skip_serializing_if_is_none)]
    pub address: Option<String>,
    /// The user that it was signed in as, or that it was on a presence channel; absent if there was none.
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<String>,
    /// Time of the upgrade, in seconds since 1970.
    pub opened: f64,
    /// Time of the end, in seconds since 1970.
    pub closed: f64,
    /// Seconds between the two.
    pub duration: f64,
    /// The code of the close frame; 1005: it had none; 1006: there was no close frame.
    pub code: u16,
    /// The reason in the close frame.
    pub reason: String,
    /// Who ended it: `client`, `server`, or `lost` where the network connection ended.
    pub by: String,
}

/// The connections that ended last.
#[derive(Debug, Object)]
#[oai(rename = "ClosedConnections")]
pub(in crate::inbound::rest) struct ShownClosedList {
    /// The connections, newest first.
    pub connections: Vec<ShownClosed>,
    /// Nodes that did not answer in time, whose connections are missing.
    pub silent_nodes: Vec<String>,
}

fn dialect(dialect: DialectId) -> String {
    match dialect {
        DialectId::Pushi => "pushi".into(),
        DialectId::Pusher => "pusher".into(),
        DialectId::Stream => "stream".into(),
    }
}

impl ShownConnection {
    fn of(info: &ConnectionInfo, now: f64) -> Self {
        Self {
            socket_id: info.id.to_string(),
            node: info.id.process.to_string(),
            dialect: dialect(info.dialect),
            address: info.address.map(|address| address.to_string()),
            user_id: info.user.as_ref().map(|user| user.as_str().into()),
            opened: info.opened.seconds(),
            last_seen: (now - info.silent.as_secs_f64()).max(info.opened.seconds()),
            pending_bytes: info.pending_bytes,
            channel_count: info.channel_count,
            channels: info.channels.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<ClosedConnection> for ShownClosed {
    fn from(ended: ClosedConnection) -> Self {
        let (opened, closed) = (ended.opened.seconds(), ended.closed.seconds());
        let micros = ended.closed.micros() - ended.opened.micros();
        Self {
            socket_id: ended.id.to_string(),
            node: ended.id.process.to_string(),
            dialect: dialect(ended.dialect),
            address: ended.address.map(|address| address.to_string()),
            user_id: ended.user.as_ref().map(|user| user.as_str().into()),
            opened,
            closed,
            duration: micros.max(0) as f64 / 1_000_000.0,
            code: ended.code,
            reason: ended.reason.into(),
            by: ended.by.name().into(),
        }
    }
}

fn user(given: Option<Param<AnyUserId>>) -> Result<Option<UserId>, Problem> {
    let given = given.map(|user| user.0).filter(|user| !user.is_empty());
    given
        .map(|user| {
            UserId::parse(&user)
                .ok_or_else(|| Problem::bad_request("user_id is not an id of a user"))
        })
        .transpose()
}

fn not_connected() -> Problem {
    Problem::not_found("no such socket is connected")
}

/// The routes of connections.
pub(in crate::inbound::rest) struct ConnectionRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl ConnectionRoutes {
    /// List connections
    ///
    /// Returns a page of the live connections of an app, on all nodes. Any app with the administrator's token, and the session's own app
    /// with a session token.
    #[oai(
        path = "/apps/:ident/connections",
        method = "get",
        operation_id = "listConnections"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "poem-openapi derives each parameter of the document from an argument"
    )]
    async fn list(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only connections of this user. Empty: of any.
        user_id: Query<Option<Param<AnyUserId>>>,
        /// Only connections that are subscribed to this channel. Empty: to any.
        channel: Query<Option<Param<AnyChannel>>>,
        /// Only connections from this IP address, or network such as `10.0.0.0/8`. Empty: from any.
        address: Query<Option<Param<AnyAddress>>>,
        /// Maximum number of connections, up to 250. Default: 100.
        count: Query<Option<Param<Whole>>>,
        /// Only connections after this one: the last `socket_id` of the previous page.
        after: Query<Option<Param<params::Socket>>>,
    ) -> Result<JsonAnswer<ShownConnections>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let channel = channel.0.map(|channel| channel.0);
        let channel = channel.filter(|channel| !channel.is_empty());
        let filter = ConnectionFilter {
            user: user(user_id.0)?,
            channel: channel
                .map(|channel| read_channel(&channel, &service.rules().limits))
                .transpose()?,
            address: address.0.and_then(|address| address.0),
        };
        let read = |text: String| {
            SocketId::parse(&text).ok_or_else(|| {
                Problem::bad_request("after must be a socket id: two numbers separated by a dot")
            })
        };
        let after = after.0.map(|after| read(after.0)).transpose()?;
        let count = limit(count.0, COUNT, MOST);
        let page = service
            .connections(&app.ident, filter, after, count)
            .await?;
        let now = service.now().seconds();
        let shown = page.connections.iter();
        Ok(JsonAnswer::of(&ShownConnections {
            connections: shown.map(|one| ShownConnection::of(one, now)).collect(),
            more: page.more,
            silent_nodes: names(&page.silent),
        }))
    }

    /// Get a connection
    ///
    /// Returns a live connection of an app, on any node. Any app with the administrator's token, and the session's own app with a session
    /// token.
    #[oai(
        path = "/apps/:ident/connections/:socket_id",
        method = "get",
        operation_id = "getConnection"
    )]
    async fn get(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// The id of the connection.
        socket_id: Path<Param<params::Socket>>,
    ) -> Result<JsonAnswer<ShownConnection>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let service = &self.0.service;
        let id = SocketId::parse(&socket_id.0.0).ok_or_else(not_connected)?;
        let found = service.connection(&app.ident, id).await?;
        let found = found.ok_or_else(not_connected)?;
        let now = service.now().seconds();
        Ok(JsonAnswer::of(&ShownConnection::of(&found, now)))
    }

    /// Close a connection
    ///
    /// Closes a live connection of an app, on any node: the client gets a close frame with 4009. Any app with the administrator's token,
    /// and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/connections/:socket_id",
        method = "delete",
        operation_id = "closeConnection"
    )]
    async fn close(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// The id of the connection.
        socket_id: Path<Param<params::Socket>>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let id = SocketId::parse(&socket_id.0.0).ok_or_else(not_connected)?;
        match self.0.service.close_connection(&app.ident, id).await? {
            true => Ok(done()),
            false => Err(not_connected()),
        }
    }

    /// List closed connections
    ///
    /// Returns the connections of an app that ended last, on all nodes, with the reason. Each node keeps 1000, of all apps. Any app with the
    /// administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/closed_connections",
        method = "get",
        operation_id = "listClosedConnections"
    )]
    async fn closed(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only connections of this user. Empty: of any.
        user_id: Query<Option<Param<AnyUserId>>>,
        /// Only connections from this IP address, or network such as `10.0.0.0/8`. Empty: from any.
        address: Query<Option<Param<AnyAddress>>>,
        /// Maximum number of connections, up to 1000. Default: 100.
        count: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<ShownClosedList>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let address: Option<AddressRange> = address.0.and_then(|address| address.0);
        let count = limit(count.0, COUNT, MOST_CLOSED);
        let user = user(user_id.0)?;
        let service = &self.0.service;
        let page = service
            .closed_connections(&app.ident, user, address, count)
            .await?;
        Ok(JsonAnswer::of(&ShownClosedList {
            connections: page.connections.into_iter().map(Into::into).collect(),
            silent_nodes: names(&page.silent),
        }))
    }
}
