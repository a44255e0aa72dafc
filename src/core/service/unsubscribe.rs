//! Unsubscribing from a channel.

use super::Service;
use crate::core::hub::{Connection, SubscribedVia, UnsubscribeOutcome};
use crate::core::model::{App, ChannelKind, ChannelName, SocketId, UserId};

impl Service {
    /// Ends a subscription of the client; does nothing where there is none. Returns the channels that the connection left.
    pub async fn unsubscribe(
        &self,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Vec<ChannelName> {
        let mut left = Vec::new();
        if channel.kind() == ChannelKind::Personal {
            self.remove_aliases(connection, channel, &mut left).await;
        }
        connection.set_by_token(channel, false);
        self.unsubscribe_via(connection, channel, SubscribedVia::Client, &mut left)
            .await;
        left
    }

    pub(super) async fn unsubscribe_via(
        &self,
        connection: &Connection,
        channel: &ChannelName,
        via: SubscribedVia,
        left: &mut Vec<ChannelName>,
    ) {
        let Some(outcome) = connection.unsubscribe(channel, via) else {
            self.update_alias_member(connection, channel).await;
            return;
        };
        self.finish_unsubscribe(&connection.app(), connection.id(), &outcome)
            .await;
        left.push(outcome.subscription.channel);
    }

    /// Updates presence and counts after a connection left a channel.
    pub(super) async fn finish_unsubscribe(
        &self,
        app: &App,
        socket: SocketId,
        left: &UnsubscribeOutcome,
    ) {
        if let Some(user) = &left.subscription.user {
            self.leave_presence(app, &left.subscription.channel, socket, user)
                .await;
        }
        self.recount(app, &left.subscription.channel, left.last)
            .await;
    }

    /// Updates the member as which a connection is on a presence channel that it is subscribed to only through personal
    /// channels: the member that they define, or none.
    pub(super) async fn update_alias_member(&self, connection: &Connection, channel: &ChannelName) {
        let is_alias_only = connection
            .subscription(channel)
            .is_some_and(|subscription| subscription.personal && !subscription.client);
        if channel.kind() != ChannelKind::Presence || !is_alias_only {
            return;
        }
        let app = connection.app();
        if let Some(member) = connection.alias_member(channel, &app) {
            // Where the channel is full, or presence unavailable, the connection still receives its events.
            let _ = self
                .join_channel(
                    &app,
                    connection,
                    channel,
                    SubscribedVia::Personal,
                    Some(&member),
                )
                .await;
        } else if let Some(user) = connection.clear_member(channel) {
            self.leave_presence(&app, channel, connection.id(), &user)
                .await;
        }
    }

    pub(super) async fn leave_presence(
        &self,
        app: &App,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) {
        // Where the call fails, the connection's lease expires.
        if let Ok(true) = self
            .ports
            .nodes
            .presence
            .leave(&app.ident, channel, socket, user)
            .await
        {
            self.parts.webhooks.record_member(app, channel, user, false);
        }
    }
}
