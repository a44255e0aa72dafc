//! Who is connected and on what, over all nodes; and telling subscribers how many they are.

use super::Service;
use crate::core::error::BusError;
use crate::core::model::{
    App, AppIdent, ChannelName, MemberList, Occupancy, OccupiedChannel, SocketId, SocketInfo,
    UserId,
};
use crate::core::ports::BusMessage;

/// Why a question about all nodes was not answered, or not passed on.
#[derive(Debug, thiserror::Error)]
#[error("the server's nodes cannot be reached now: try again later")]
pub struct RosterError(#[from] pub BusError);

impl Service {
    /// The app's live connections with an id above `after`, in the order of their ids, at most `limit`.
    pub async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, RosterError> {
        Ok(self.ports.nodes.roster.sockets(app, after, limit).await?)
    }

    /// One live connection.
    pub async fn socket(
        &self,
        app: &AppIdent,
        id: SocketId,
    ) -> Result<Option<SocketInfo>, RosterError> {
        Ok(self.ports.nodes.roster.socket(app, id).await?)
    }

    /// The channels that somebody is on and whose names begin with `prefix`, those behind `after`, in the order of their names,
    /// at most `limit`.
    pub async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, RosterError> {
        Ok(self
            .ports
            .nodes
            .roster
            .channels(app, prefix, after, limit)
            .await?)
    }

    /// How many are on a channel.
    pub async fn occupancy(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Occupancy, RosterError> {
        Ok(self.ports.nodes.roster.occupancy(app, channel).await?)
    }

    /// Everybody on a presence channel, in the order in which they came.
    pub async fn present(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<MemberList, RosterError> {
        Ok(self.ports.nodes.presence.members(app, channel).await?)
    }

    /// Closes the connections that are signed in as a user, on all nodes.
    pub async fn terminate_user(&self, app: &AppIdent, user: &UserId) -> Result<(), RosterError> {
        let message = BusMessage::UserTerminated {
            app: app.clone(),
            user: user.clone(),
        };
        Ok(self.ports.nodes.bus.publish(message).await?)
    }

    /// After a connection came on a channel or left it. `edge`: it was this node's first or last there.
    pub(super) async fn recount(&self, app: &App, channel: &ChannelName, edge: bool) {
        let told = app.settings.subscription_count;
        if !edge && !told && app.settings.webhooks.is_empty() {
            return;
        }
        let announce = told
            && self
                .hub
                .may_count(&app.ident, channel, self.ports.clock.now());
        // A roster that cannot be reached counts anew when it is back.
        if let Ok(recount) = self
            .ports
            .nodes
            .roster
            .recount(&app.ident, channel, announce)
            .await
        {
            self.parts
                .webhooks
                .record_count(app, channel, recount, announce);
        }
    }

    /// Tells those subscribers how many they are who were not told at once, because they are many. To be called about once a
    /// second.
    pub async fn send_due_counts(&self) {
        for (app, channel) in self.hub.take_due(self.ports.clock.now()) {
            // As above.
            let Ok(recount) = self.ports.nodes.roster.recount(&app, &channel, true).await else {
                continue;
            };
            if let Some(app) = self.parts.apps.cached(&app) {
                self.parts
                    .webhooks
                    .record_count(&app, &channel, recount, true);
            }
        }
    }
}
