//! The connections of all nodes, for a console: live ones, ended ones, and the request to close one.

use std::time::Duration;

use super::{RosterError, Service};
use crate::core::hub::Connection;
use crate::core::model::{AppIdent, SocketId, Timestamp, UserId};
use crate::core::ports::{
    AddressRange, ClosedBy, ClosedConnection, ConnectionFilter, ConnectionInfo, NodeQuery,
    NodeReport, NodeReports,
};

/// How long the answers of other nodes are awaited.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// The channels of a connection in a list, and of a connection that is read alone.
const LISTED_CHANNELS: usize = 10;
const SHOWN_CHANNELS: usize = 1000;

/// A page of live connections.
#[derive(Debug, Default)]
pub struct ConnectionPage {
    /// The connections, in the order of their ids.
    pub connections: Vec<ConnectionInfo>,
    /// Whether others follow.
    pub more: bool,
    /// The nodes that did not answer.
    pub silent: Vec<u64>,
}

/// The connections that ended last.
#[derive(Debug, Default)]
pub struct ClosedPage {
    /// The connections, newest first.
    pub connections: Vec<ClosedConnection>,
    /// The nodes that did not answer.
    pub silent: Vec<u64>,
}

impl Service {
    /// The answer of this node to a question of another one.
    pub(super) fn own_report(&self, query: NodeQuery) -> NodeReport {
        match query {
            NodeQuery::Connections {
                app,
                filter,
                after,
                limit,
                channels,
            } => NodeReport::Connections(self.hub.app(&app).map_or_else(Vec::new, |hub| {
                hub.connection_infos(&filter, after, limit, channels)
            })),
            NodeQuery::Connection {
                app,
                socket,
                channels,
            } => NodeReport::Connections(
                self.hub
                    .app(&app)
                    .and_then(|hub| hub.connection_info(socket, channels))
                    .into_iter()
                    .collect(),
            ),
            NodeQuery::Closed {
                app,
                user,
                address,
                limit,
            } => NodeReport::Closed(self.parts.closed.newest(
                &app,
                user.as_ref(),
                address.as_ref(),
                limit,
            )),
            NodeQuery::Close { app, socket } => NodeReport::Done(
                self.hub
                    .app(&app)
                    .is_some_and(|hub| hub.close_connection(socket)),
            ),
            NodeQuery::Overview { app } => NodeReport::Overview(self.own_overview(app.as_ref())),
            NodeQuery::Tail(poll) => NodeReport::Tail(self.parts.tail.answer(poll)),
        }
    }

    /// The answers of all nodes, this one's last.
    pub(super) async fn ask_all(&self, query: NodeQuery) -> Result<NodeReports, RosterError> {
        let asked = self.ports.nodes.roster.ask_nodes(&query, ANSWER).await;
        let mut answers = asked?;
        answers.silent.sort_unstable();
        let own = self.own_report(query);
        answers.reports.push((self.hub.process(), own));
        Ok(answers)
    }

    /// A page of an app's live connections with an id above `after`, at most `limit`, on all nodes.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn connections(
        &self,
        app: &AppIdent,
        filter: ConnectionFilter,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<ConnectionPage, RosterError> {
        let query = NodeQuery::Connections {
            app: app.clone(),
            filter,
            after,
            limit: limit + 1,
            channels: LISTED_CHANNELS,
        };
        let answers = self.ask_all(query).await?;
        let mut page = ConnectionPage {
            silent: answers.silent,
            ..ConnectionPage::default()
        };
        for (_, report) in answers.reports {
            if let NodeReport::Connections(found) = report {
                page.connections.extend(found);
            }
        }
        page.connections.sort_unstable_by_key(|one| one.id);
        page.more = page.connections.len() > limit;
        page.connections.truncate(limit);
        Ok(page)
    }

    /// A live connection of an app, on any node.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn connection(
        &self,
        app: &AppIdent,
        socket: SocketId,
    ) -> Result<Option<ConnectionInfo>, RosterError> {
        let query = NodeQuery::Connection {
            app: app.clone(),
            socket,
            channels: SHOWN_CHANNELS,
        };
        let answers = self.ask_of(socket, query).await?;
        let found = |report| match report {
            NodeReport::Connections(found) => found.into_iter().next(),
            _ => None,
        };
        Ok(answers.into_iter().find_map(found))
    }

    /// Closes a live connection of an app, on any node; returns whether there is one.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn close_connection(
        &self,
        app: &AppIdent,
        socket: SocketId,
    ) -> Result<bool, RosterError> {
        let query = NodeQuery::Close {
            app: app.clone(),
            socket,
        };
        let answers = self.ask_of(socket, query).await?;
        Ok(answers.contains(&NodeReport::Done(true)))
    }

    /// The answers about a connection: only this node's, where the connection is its own.
    async fn ask_of(
        &self,
        socket: SocketId,
        query: NodeQuery,
    ) -> Result<Vec<NodeReport>, RosterError> {
        if socket.process == self.hub.process() {
            return Ok(vec![self.own_report(query)]);
        }
        let answers = self.ask_all(query).await?;
        Ok(answers.reports.into_iter().map(|(_, one)| one).collect())
    }

    /// The connections of an app that ended last on all nodes, newest first, at most `limit`.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn closed_connections(
        &self,
        app: &AppIdent,
        user: Option<UserId>,
        address: Option<AddressRange>,
        limit: usize,
    ) -> Result<ClosedPage, RosterError> {
        let query = NodeQuery::Closed {
            app: app.clone(),
            user,
            address,
            limit,
        };
        let answers = self.ask_all(query).await?;
        let mut page = ClosedPage {
            silent: answers.silent,
            ..ClosedPage::default()
        };
        for (_, report) in answers.reports {
            if let NodeReport::Closed(found) = report {
                page.connections.extend(found);
            }
        }
        // Stable: those of one node keep their order.
        page.connections
            .sort_by_key(|one| std::cmp::Reverse(one.closed));
        page.connections.truncate(limit);
        Ok(page)
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Records the end of a connection, before it is disconnected.
    pub fn record_close(&self, connection: &Connection, code: u16, reason: &str, by: ClosedBy) {
        let origin = connection.mailbox().origin();
        let ended = ClosedConnection {
            id: connection.id(),
            dialect: connection.dialect(),
            address: origin.address,
            user: connection.user(),
            opened: origin.opened,
            closed: self.ports.clock.now(),
            code,
            reason: reason.into(),
            by,
        };
        self.parts.closed.record(&connection.app().ident, ended);
    }
}
