//! Subscribing to a channel.

mod authorise;
mod replay;

use std::sync::Arc;

use self::authorise::{Authorised, alias_member_of, member_of};
use super::Service;
use super::cached::Cached;
use super::history::HistoryError;
use super::replay::Since;
use crate::core::answers::{AnswerPermit, AnswersBusy};
use crate::core::auth::{SignatureError, TokenGrant};
use crate::core::error::StorageError;
use crate::core::hub::{Connection, SubscribedVia};
use crate::core::member_list::{MemberList, Rendered};
use crate::core::model::{App, ChannelKind, ChannelName, Event, Member, UserId};
use crate::core::ports::{DialectId, Joined};

/// The `channel_data` of a subscribe request.
#[derive(Debug, Clone)]
pub struct ChannelData {
    /// The text that the signature covers: the string as sent, or the object's text in the frame.
    pub signed: Arc<str>,
    /// The object's JSON text as it was sent, except that `user_id` is the string `user_id`.
    pub object: Arc<str>,
    /// The object's `user_id`; on a personal channel the user in its name.
    pub user_id: Option<UserId>,
    /// Whether the object has `"peer": true`.
    pub peer: bool,
}

impl ChannelData {
    pub(in crate::core::service) fn member(&self) -> Option<Member> {
        let user_id = self.user_id.clone()?;
        Some(Member {
            user_id,
            data: Arc::clone(&self.object),
            peer: self.peer,
        })
    }
}

/// A subscribe request; the edge has checked the channel's name.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// The name of the channel.
    pub channel: ChannelName,
    /// The signature, required by most kinds of channels.
    pub auth: Option<String>,
    /// The member that joins a presence channel.
    pub channel_data: Option<ChannelData>,
    /// The first event to replay; `None`: no `since` was given.
    pub since: Option<Since>,
    /// Of a personal channel: whether the client receives a new answer when the user's persistent subscriptions change.
    pub follow: bool,
    /// Whether the client asks for the rest of a replay that does not fit one answer.
    pub paging: bool,
}

/// The answer to a subscribe request.
#[derive(Debug, Default)]
pub struct Subscribed {
    /// Of a presence channel: its members.
    pub members: MemberList,
    /// Of a personal channel: the channels of the user's persistent subscriptions.
    pub alias: Vec<ChannelName>,
    /// Replayed events, oldest first; of an inbox, newest first.
    pub events: Vec<Event>,
    /// With `since`: whether `events` is complete, and the newest serial that it covers.
    pub recovered: Option<(bool, u64)>,
    /// Whether stored events were left out, for which the client asks in its next request.
    pub more: bool,
    /// With `since` and `paging`: the channels of which further events follow in the next page. Until the client has asked
    /// for it, their live events are not sent.
    pub behind: Vec<ChannelName>,
    /// The bytes of `events`.
    pub permit: Option<AnswerPermit>,
    /// The bytes of `members` and `alias`.
    pub names_permit: Option<AnswerPermit>,
    /// The newest serial that `events` covers, by channel: live events up to it are not sent.
    pub covered: Vec<(ChannelName, u64)>,
    /// The version of `members`, by presence channel: later changes are announced.
    pub versions: Vec<(ChannelName, u64)>,
    /// Of a cache channel, for a Pusher client without replayed events: the last event.
    pub cached: Option<Cached>,
}

/// Why a subscribe request is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The socket's user is not one of the peer channel's, or not present.
    #[error(
        "only its users may subscribe, as members of {0} with \"peer\": true in channel_data: join it, or send auth"
    )]
    NotPeer(String),
    /// The channel belongs to one user, and the socket is not signed in as that user.
    #[error("this channel belongs to one user: sign in as that user first")]
    NotUser,
    /// A presence channel requires a user id.
    #[error(
        "a presence channel requires channel_data with a user_id (a string of 1 to 128 characters, or a number)"
    )]
    NoUser,
    /// The token does not cover the channel.
    #[error(
        "the token does not cover the channel: its claim channels must have the name, or a prefix of it that ends in *; or send auth"
    )]
    NotCovered,
    /// A presence channel requires a token with a user.
    #[error("a presence channel requires a token with the claim sub, the id of the user")]
    NoTokenUser,
    /// The user id of a peer contains the separator `&`.
    #[error("a user_id with \"peer\": true must not contain &")]
    PeerId,
    /// The channel data is larger than allowed.
    #[error("channel_data has more than {0} bytes (max_member_bytes): shorten it")]
    MemberBytes(u64),
    /// The socket has reached its limit of channels.
    #[error(
        "the socket is subscribed to {0} channels, its limit (max_channels_per_connection): unsubscribe from some"
    )]
    Channels(u64),
    /// The presence channel has reached its limit of members.
    #[error("the channel has {0} members, its limit (max_members)")]
    Members(u64),
    /// Several serials are only for personal channels.
    #[error(
        "since must be an integer from 0 or \"now\"; an object of channel to serial is valid only for personal channels"
    )]
    Since,
    /// The store is unavailable, and the answer requires it.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
    /// Too many answers are being prepared or sent.
    #[error(transparent)]
    Busy(#[from] AnswersBusy),
    /// The user follows more channels than one answer has room for.
    #[error("the user has more than {0} persistent subscriptions: end those that are not needed")]
    Aliases(usize),
    /// The other nodes cannot be reached.
    #[error("the presence list is unavailable: try again later")]
    Presence,
}

impl Subscribe {
    /// The request of a client that subscribes by a token: on a presence channel the member is the token's user.
    fn by_token(&self, grant: &TokenGrant) -> Result<Self, SubscribeError> {
        let mut subscribe = self.clone();
        if self.channel.kind() == ChannelKind::Presence {
            let peer = self.channel_data.as_ref().is_some_and(|data| data.peer);
            let member = grant.member(peer).ok_or(SubscribeError::NoTokenUser)?;
            subscribe.channel_data = Some(ChannelData {
                signed: Arc::clone(&member.data),
                object: member.data,
                user_id: Some(member.user_id),
                peer: member.peer,
            });
        }
        Ok(subscribe)
    }
}

impl From<HistoryError> for SubscribeError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Storage(error) => Self::Storage(error),
            HistoryError::Busy(error) => Self::Busy(error),
        }
    }
}

impl Service {
    /// Subscribes a connection to a channel, or refreshes its subscription. The hub subscribes first, so that from then on
    /// live frames wait in the mailbox; the caller sends the answer before it sends those. Channels that the connection
    /// left are added to `left`.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn subscribe(
        &self,
        connection: &Connection,
        subscribe: &Subscribe,
        left: &mut Vec<ChannelName>,
    ) -> Result<Subscribed, SubscribeError> {
        let app = connection.app();
        let authorised = self.authorise(&app, connection, subscribe)?;
        let by_token = match &authorised {
            Authorised::Token(grant) => Some(subscribe.by_token(grant)?),
            _ => None,
        };
        let subscribe = by_token.as_ref().unwrap_or(subscribe);
        self.check_member(&app, connection, subscribe)?;
        let covered = match authorised {
            Authorised::Peer => return self.replay_for(&app, connection, subscribe).await,
            Authorised::Subscriber { covered } => covered,
            Authorised::Token(_) => false,
        };
        let was_subscribed = connection
            .subscription(&subscribe.channel)
            .is_some_and(|subscription| subscription.client);
        self.check_channel_limit(&app, connection, was_subscribed)?;
        let result = match subscribe.channel.kind() {
            ChannelKind::Personal => {
                let member = alias_member_of(&app, connection, subscribe, covered);
                self.subscribe_personal(&app, connection, subscribe, member, left)
                    .await
            }
            _ => self.subscribe_one(&app, connection, subscribe).await,
        };
        // A full presence channel ends the subscription also where the connection was on it as another user.
        if result.is_err() && (!was_subscribed || matches!(result, Err(SubscribeError::Members(_))))
        {
            left.extend(self.unsubscribe(connection, &subscribe.channel).await);
        } else if result.is_ok() {
            connection.set_by_token(&subscribe.channel, by_token.is_some());
        }
        result
    }

    async fn subscribe_one(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        let member = member_of(connection, subscribe);
        let joined = self
            .join_channel(
                app,
                connection,
                &subscribe.channel,
                SubscribedVia::Client,
                member.as_ref(),
            )
            .await?;
        let mut subscribed = self.replay_for(app, connection, subscribe).await?;
        if let Some(joined) = joined {
            subscribed.names_permit = self.acquire_members(connection, &joined.members).await?;
            subscribed.members = joined.members;
            subscribed
                .versions
                .push((subscribe.channel.clone(), joined.version));
        }
        Ok(subscribed)
    }

    /// Subscribes in the hub and on the bus, and joins as `member` where one is given. The subscription precedes the join,
    /// so that no announcement is missed between the two.
    pub(in crate::core::service) async fn join_channel(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
        via: SubscribedVia,
        member: Option<&Member>,
    ) -> Result<Option<Joined>, SubscribeError> {
        let outcome = connection.subscribe(channel, via, member);
        if let Some(before) = &outcome.previous_user {
            self.leave_presence(app, channel, connection.id(), before)
                .await;
        }
        self.ports
            .nodes
            .bus
            .watch(&app.ident, channel)
            .await
            .map_err(|_| SubscribeError::Presence)?;
        let joined = match member {
            Some(member) => Some(self.join_presence(app, connection, channel, member).await?),
            None => None,
        };
        if outcome.new {
            self.recount(app, channel, outcome.first).await;
        }
        if let (Some(member), true) = (member, joined.as_ref().is_some_and(|joined| joined.new)) {
            self.parts
                .webhooks
                .record_member(app, channel, &member.user_id, true);
        }
        Ok(joined)
    }

    async fn join_presence(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
        member: &Member,
    ) -> Result<Joined, SubscribeError> {
        let limit = app
            .settings
            .limits
            .max_members
            .unwrap_or(self.rules.limits.members);
        let joined = self
            .ports
            .nodes
            .presence
            .join(&app.ident, channel, connection.id(), member.clone(), limit)
            .await;
        joined
            .map_err(|_| SubscribeError::Presence)?
            .ok_or_else(|| {
                connection.clear_member(channel);
                SubscribeError::Members(limit)
            })
    }

    /// Acquires the bytes of the members that an answer renders, and does not share with earlier ones.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn acquire_members(
        &self,
        connection: &Connection,
        members: &MemberList,
    ) -> Result<Option<AnswerPermit>, AnswersBusy> {
        let kinds: &[Rendered] = match connection.dialect() {
            DialectId::Pushi => &[Rendered::Pushi],
            DialectId::Pusher => &[Rendered::PusherIds, Rendered::PusherInfos],
            // A stream has no answers.
            DialectId::Stream => &[],
        };
        let bytes = members.unrendered_bytes(kinds);
        self.acquire_names(&connection.app().ident, bytes).await
    }

    /// The members of a presence channel; of another channel, or while the other nodes cannot be reached, none.
    pub async fn members(&self, app: &App, channel: &ChannelName) -> MemberList {
        match channel.kind() {
            ChannelKind::Presence => self
                .ports
                .nodes
                .presence
                .members(&app.ident, channel)
                .await
                .unwrap_or_default(),
            _ => MemberList::default(),
        }
    }
}
