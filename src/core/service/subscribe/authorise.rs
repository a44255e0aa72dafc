//! Whether a client may subscribe to a channel.

use super::{Subscribe, SubscribeError};
use std::sync::Arc;

use crate::core::auth::{self, SignatureError, TokenGrant};
use crate::core::hub::{AliasMember, Connection};
use crate::core::model::{App, ChannelKind, Member, PeerChannel, UserId};
use crate::core::ports::DialectId;
use crate::core::service::Service;
use crate::core::service::replay::Since;

/// Why a request is accepted.
#[derive(Debug)]
pub(super) enum Authorised {
    /// The socket is on the peer channel already, because its user is present.
    Peer,
    /// By its signature, by the sign-in, or because the channel is public.
    Subscriber {
        /// Whether the signature covers the channel data.
        covered: bool,
    },
    /// By the connection's token, with which the subscription ends.
    Token(Arc<TokenGrant>),
}

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

/// The member as which a subscriber of a personal channel joins the user's presence channels; `None`: the channel data has no
/// `user_id`. The user is always the one in the channel's name. Channel data that no signature covers counts only where a
/// presence channel accepts it, too; the data of a sign-in counts instead.
pub(super) fn alias_member_of(
    app: &App,
    connection: &Connection,
    subscribe: &Subscribe,
    covered: bool,
) -> Option<AliasMember> {
    let mut member = subscribe.channel_data.as_ref()?.member()?;
    member.user_id = subscribe.channel.personal_user()?;
    if covered || (connection.dialect() != DialectId::Pusher && !app.settings.signed_presence) {
        return Some(AliasMember { member, covered });
    }
    connection
        .signed_in()
        .filter(|signed| signed.user == member.user_id)
        .map(|signed| AliasMember {
            member: signed.as_member(),
            covered: true,
        })
}

/// By the sign-in, which ends with the token if it is by the token.
fn by_sign_in(connection: &Connection, token: impl Fn() -> Option<Arc<TokenGrant>>) -> Authorised {
    let grant = token().filter(|_| connection.is_signed_in_by_token());
    grant.map_or(Authorised::Subscriber { covered: false }, Authorised::Token)
}

fn check_signature(
    app: &App,
    connection: &Connection,
    subscribe: &Subscribe,
    must_cover: bool,
) -> Result<Authorised, SignatureError> {
    let signed = subscribe.channel_data.as_ref().map(|data| &*data.signed);
    auth::check_channel_auth(
        app,
        subscribe.auth.as_deref(),
        connection.id(),
        &subscribe.channel,
        signed,
        must_cover,
    )
    .map(|covered| Authorised::Subscriber { covered })
}

impl Service {
    /// Checks the signature.
    pub(super) fn authorise(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Authorised, SubscribeError> {
        const UNCOVERED: Authorised = Authorised::Subscriber { covered: false };
        let channel = &subscribe.channel;
        let token = || {
            self.grant_of(connection)
                .filter(|grant| grant.covers(channel))
        };
        match channel.kind() {
            ChannelKind::Public => return Ok(UNCOVERED),
            ChannelKind::User if is_user(connection, channel.server_user()) => {
                return Ok(by_sign_in(connection, token));
            }
            // No signature gives access to another user's channel.
            ChannelKind::User => return Err(SubscribeError::NotUser),
            // The sign-in suffices, but it does not cover channel data.
            ChannelKind::Personal if is_user(connection, channel.personal_user()) => {
                return Ok(check_signature(app, connection, subscribe, false)
                    .unwrap_or_else(|_| by_sign_in(connection, token)));
            }
            ChannelKind::Peer if subscribe.auth.as_deref().is_none_or(str::is_empty) => {
                let presence = PeerChannel::parse(channel.as_str())
                    .map(|peer| peer.presence())
                    .unwrap_or_default();
                return if connection.receives(channel) && !connection.is_by_token(channel) {
                    Ok(Authorised::Peer)
                } else {
                    let by_token = token().map(Authorised::Token);
                    by_token.ok_or(SubscribeError::NotPeer(presence))
                };
            }
            _ => {}
        }
        let must_cover = app.settings.signed_presence
            || (connection.dialect() == DialectId::Pusher
                && matches!(
                    channel.kind(),
                    ChannelKind::Presence | ChannelKind::Personal
                ));
        check_signature(app, connection, subscribe, must_cover).or_else(|error| match token() {
            Some(grant) => Ok(Authorised::Token(grant)),
            None if error == SignatureError::Missing && connection.token().is_some() => {
                Err(SubscribeError::NotCovered)
            }
            None => Err(error.into()),
        })
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
