//! Connections and occupied channels of all nodes, and subscription counts.

use super::Service;
use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{
    App, AppIdent, ChannelName, Occupancy, OccupiedChannel, SocketId, SocketInfo, UserId,
};
use crate::core::ports::BusMessage;

/// A request to the other nodes failed.
#[derive(Debug, thiserror::Error)]
#[error("the other nodes are unavailable: try again later")]
pub struct RosterError(#[from] pub BusError);

impl Service {
    /// The app's live connections with an id above `after`, ordered by id, at most `limit`.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, RosterError> {
        Ok(self.ports.nodes.roster.sockets(app, after, limit).await?)
    }

    /// One live connection; `None` where there is none with this id.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn socket(
        &self,
        app: &AppIdent,
        id: SocketId,
    ) -> Result<Option<SocketInfo>, RosterError> {
        Ok(self.ports.nodes.roster.socket(app, id).await?)
    }

    /// The occupied channels whose names begin with `prefix`, those after `after`, ordered by name, at most `limit`.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
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

    /// The subscriptions and users of a channel; zeros where it is not occupied.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn occupancy(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Occupancy, RosterError> {
        Ok(self.ports.nodes.roster.occupancy(app, channel).await?)
    }

    /// The members of a presence channel, in the order in which they joined.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn present(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<MemberList, RosterError> {
        Ok(self.ports.nodes.presence.members(app, channel).await?)
    }

    /// Closes the connections that are signed in as a user, on all nodes.
    ///
    /// # Errors
    /// Fails where the other nodes cannot be reached.
    pub async fn terminate_user(&self, app: &AppIdent, user: &UserId) -> Result<(), RosterError> {
        let message = BusMessage::UserTerminated {
            app: app.clone(),
            user: user.clone(),
        };
        Ok(self.ports.nodes.bus.publish(message).await?)
    }

    /// Updates the count of a channel after a connection subscribed or unsubscribed. `first_or_last`: it was this node's
    /// first or last on the channel.
    pub(super) async fn recount(&self, app: &App, channel: &ChannelName, first_or_last: bool) {
        let is_announced = app.settings.subscription_count;
        if !first_or_last && !is_announced && app.settings.webhooks.is_empty() {
            return;
        }
        let announce = is_announced
            && self
                .hub
                .count_allowed(&app.ident, channel, self.ports.clock.now());
        // A roster that is unavailable recounts when it is available again.
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

    /// Announces the counts of large channels, which are throttled. Call it about once a second.
    pub async fn send_due_counts(&self) {
        for (app, channel) in self.hub.take_due_counts(self.ports.clock.now()) {
            // A roster that is unavailable recounts when it is available again.
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
