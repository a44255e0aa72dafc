//! Live connections.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::RestContext;
use super::answer::JsonAnswer;
use super::list::{self, ListPage};
use super::params::{self, Param, Whole};
use super::problem::Problem;
use super::security::SessionCaller;
use super::tags::Section;
use crate::core::model::{SocketId, SocketInfo};

/// Maximum number of connections in one answer.
const MOST: u64 = 10_000;

/// Connections that are read at once.
const PAGE: usize = 250;

/// A live connection.
#[derive(Debug, Object)]
#[oai(example, rename = "Socket")]
pub(super) struct ConnectionSummary {
    /// The id of the connection.
    pub socket_id: String,
    /// The channels that it is subscribed to.
    pub channels: Vec<String>,
}

impl poem_openapi::types::Example for ConnectionSummary {
    fn example() -> Self {
        Self {
            socket_id: "4711.90210".into(),
            channels: vec!["global".into(), "presence-room".into()],
        }
    }
}

impl ConnectionSummary {
    fn of(info: &SocketInfo) -> Self {
        Self {
            socket_id: info.id.to_string(),
            channels: info
                .channels
                .iter()
                .map(|channel| channel.as_str().into())
                .collect(),
        }
    }
}

/// A page of live connections.
#[derive(Debug, Object)]
pub(super) struct SocketList {
    /// Live connections; those of one node in the order in which they were opened.
    pub sockets: Vec<ConnectionSummary>,
}

/// The routes of sockets.
pub(super) struct SocketRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Sockets")]
impl SocketRoutes {
    /// List live connections
    ///
    /// Returns a page of the live connections of the session's app, on all nodes.
    #[oai(path = "/sockets", method = "get", operation_id = "listSockets")]
    async fn list(
        &self,
        session: SessionCaller,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only connections after this one: the last `socket_id` of the previous page.
        after: Query<Option<Param<params::Socket>>>,
    ) -> Result<JsonAnswer<SocketList>, Problem> {
        let count = count.0.map_or(MOST, |count| count.0.min(MOST));
        let read = |text: String| {
            SocketId::parse(&text).ok_or_else(|| {
                Problem::bad_request("after must be a socket id: two numbers separated by a dot")
            })
        };
        let after = after.0.map(|after| read(after.0)).transpose()?;
        let service = Arc::clone(&self.0.service);
        let app = session.app.ident.clone();
        let pages = list::pages((after, count), move |(after, left)| {
            let (service, app) = (Arc::clone(&service), app.clone());
            async move {
                let wanted = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
                let found = service.sockets(&app, after, wanted).await?;
                let left = left - wanted as u64;
                let is_last = found.len() < wanted || left == 0;
                let after = found.last().map(|last| last.id).or(after);
                let items = found
                    .iter()
                    .map(|info| ConnectionSummary::of(info).to_json_string());
                Ok((ListPage::new(items, is_last), (after, left)))
            }
        });
        let owner = Some((&*self.0.service, &session.app.ident));
        let body = list::body(owner, "{\"sockets\":[", pages, "]}").await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// Get a live connection
    ///
    /// Returns the connection with the channels that it is subscribed to.
    #[oai(
        path = "/sockets/:socket_id",
        method = "get",
        operation_id = "getSocket"
    )]
    async fn get(
        &self,
        session: SessionCaller,
        /// The id of the connection.
        socket_id: Path<Param<params::Socket>>,
    ) -> Result<JsonAnswer<ConnectionSummary>, Problem> {
        let found = match SocketId::parse(&socket_id.0.0) {
            Some(id) => self.0.service.socket(&session.app.ident, id).await?,
            None => None,
        };
        found
            .map(|info| JsonAnswer::of(&ConnectionSummary::of(&info)))
            .ok_or_else(|| Problem::not_found("no such socket is connected"))
    }
}
