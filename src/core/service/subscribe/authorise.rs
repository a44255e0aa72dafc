//! Whether a client may subscribe to a channel.

use super::{Subscribe, SubscribeError};
use crate::core::auth;
use crate::core::hub::Connection;
use crate::core::model::{App, ChannelKind, Member, PeerChannel, UserId};
use crate::core::ports::DialectId;
use crate::core::service::Service;
use crate::core::service::history::Since;

/// Whether a connection is signed in as this user.
fn is_user(connection: &Connection, user: Option<UserId>) -> bool {
    user.is_some_and(|user| {
        connection
            .signed_in()
            .is_some_and(|signed| signed.user == user)
    })
}

/// The member that joins a presence channel: from the channel data, or else the signed-in user.
pub(super) fn member_of(connection: &Connection, subscribe: &Subscribe) -> Option<Member> {
    match (subscribe.channel.kind(), &subscribe.channel_data) {
        (ChannelKind::Presence, Some(data)) => data.member(),
        (ChannelKind::Presence, None) => connection.signed_in().map(|signed| signed.as_member()),
        _ => None,
    }
}

impl Service {
    /// Checks the signature. `true`: a peer channel that the socket is on because its user is present.
    pub(super) fn authorise(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<bool, SubscribeError> {
        let channel = &subscribe.channel;
        match channel.kind() {
            ChannelKind::Public => return Ok(false),
            ChannelKind::User if is_user(connection, channel.server_user()) => return Ok(false),
            // No signature gives access to another user's channel.
            ChannelKind::User => return Err(SubscribeError::NotUser),
            ChannelKind::Personal if is_user(connection, channel.personal_user()) => {
                return Ok(false);
            }
            ChannelKind::Peer if subscribe.auth.as_deref().is_none_or(str::is_empty) => {
                let presence = PeerChannel::parse(channel.as_str())
                    .map(|peer| peer.presence())
                    .unwrap_or_default();
                return if connection.receives(channel) {
                    Ok(true)
                } else {
                    Err(SubscribeError::NotPeer(presence))
                };
            }
            _ => {}
        }
        let signed = subscribe.channel_data.as_ref().map(|data| &*data.signed);
        let covered = app.settings.signed_presence
            || (connection.dialect() == DialectId::Pusher
                && channel.kind() == ChannelKind::Presence);
        auth::check_channel_auth(
            app,
            subscribe.auth.as_deref(),
            connection.id(),
            channel,
            signed,
            covered,
        )?;
        Ok(false)
    }

    pub(super) fn check_member(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<(), SubscribeError> {
        let kind = subscribe.channel.kind();
        if matches!(subscribe.since, Some(Since::Each(_))) && kind != ChannelKind::Personal {
            return Err(SubscribeError::Since);
        }
        let member = member_of(connection, subscribe);
        if kind == ChannelKind::Presence && member.is_none() {
            return Err(SubscribeError::NoUser);
        }
        let data = subscribe.channel_data.as_ref();
        let bytes = data
            .map(|data| data.object.len())
            .or(member.map(|member| member.data.len()))
            .unwrap_or(0);
        let limit = app
            .settings
            .limits
            .max_member_bytes
            .unwrap_or(self.rules.limits.member_bytes);
        if limit != 0 && bytes as u64 > limit {
            return Err(SubscribeError::MemberBytes(limit));
        }
        let Some(data) = data else { return Ok(()) };
        if data.peer
            && data
                .user_id
                .as_ref()
                .is_some_and(|user| user.as_str().contains('&'))
        {
            return Err(SubscribeError::PeerId);
        }
        Ok(())
    }

    /// The number of channels that a socket of the app may subscribe to; 0: no limit.
    pub fn channel_limit(&self, app: &App) -> u64 {
        app.settings
            .limits
            .max_channels_per_connection
            .unwrap_or(self.rules.limits.channels_per_connection)
    }

    pub(super) fn check_channel_limit(
        &self,
        app: &App,
        connection: &Connection,
        is_subscribed: bool,
    ) -> Result<(), SubscribeError> {
        let limit = self.channel_limit(app);
        if is_subscribed || limit == 0 {
            return Ok(());
        }
        if connection.client_subscription_count() as u64 >= limit {
            Err(SubscribeError::Channels(limit))
        } else {
            Ok(())
        }
    }
}
