//! Going on a channel, and leaving it.

use std::sync::Arc;

use super::Service;
use super::cached::Cached;
use super::history::{Replay, Since};
use crate::core::auth::{self, SignatureError};
use crate::core::error::StorageError;
use crate::core::hub::{Connection, SubscribedVia, UnsubscribeOutcome};
use crate::core::model::{
    App, ChannelKind, ChannelName, Event, Member, MemberList, PeerChannel, SocketId, UserId,
};
use crate::core::ports::{DialectId, Joined};

/// Channel data as the client sent it.
#[derive(Debug, Clone)]
pub struct ChannelData {
    /// The text that a signature over it covers: the string as sent, or the object's text in the frame.
    pub signed: Arc<str>,
    /// The object's text, its `user_id` a string.
    pub object: Arc<str>,
    /// Its `user_id`.
    pub user_id: Option<UserId>,
    /// Whether it says `"peer": true`.
    pub peer: bool,
}

impl ChannelData {
    pub(super) fn member(&self) -> Option<Member> {
        let user_id = self.user_id.clone()?;
        Some(Member {
            user_id,
            data: Arc::clone(&self.object),
            peer: self.peer,
        })
    }
}

/// A client's wish to be on a channel; the edge has checked its name.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// The channel.
    pub channel: ChannelName,
    /// The signature.
    pub auth: Option<String>,
    /// Who the client is there.
    pub channel_data: Option<ChannelData>,
    /// From where it wants events.
    pub since: Option<Since>,
}

/// What the client is told of a channel.
#[derive(Debug, Clone, Default)]
pub struct Subscribed {
    /// Of a presence channel: everybody on it.
    pub members: MemberList,
    /// Of a personal channel: the channels that the user follows.
    pub alias: Vec<ChannelName>,
    /// Past events.
    pub events: Vec<Event>,
    /// With `since`: whether `events` are all, and the newest serial that they cover.
    pub recovered: Option<(bool, u64)>,
    /// Up to which serial of which channel the events have been answered: live ones up to there are not sent.
    pub covered: Vec<(ChannelName, u64)>,
    /// Up to which version of which presence channel `members` has the changes.
    pub versions: Vec<(ChannelName, u64)>,
    /// Of a cache channel, for a Pusher client that gets no other past events: what it has.
    pub cached: Option<Cached>,
}

/// Why a client is not on a channel.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Missing or wrong signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The socket's user is not one of the peer channel's, or not present.
    #[error(
        "be one of the channel's users, present on {0} with \"peer\": true in channel_data, or give auth"
    )]
    NotPeer(String),
    /// The channel is for one user.
    #[error("this channel is for one user: sign in as that user first")]
    NotUser,
    /// A presence channel needs to know who joins.
    #[error(
        "a presence channel needs channel_data with a user_id (a string of 1 to 128 characters, or a number)"
    )]
    NoUser,
    /// A user id of a peer may not hold the separator.
    #[error("a user_id with \"peer\": true must not hold &")]
    PeerId,
    /// The channel data is larger than allowed.
    #[error("channel_data has more than {0} bytes (max_member_bytes): shorten it")]
    MemberBytes(u64),
    /// The socket is on as many channels as it may.
    #[error(
        "the socket is on {0} channels, its limit (max_channels_per_connection): unsubscribe from some"
    )]
    Channels(u64),
    /// The presence channel has as many members as it may.
    #[error("the channel has {0} members, its limit (max_members)")]
    Members(u64),
    /// Several serials are only for personal channels.
    #[error(
        "since must be a whole number from 0 or \"now\"; an object of channel to serial is for personal channels only"
    )]
    Since,
    /// The store is away, and the answer needs it.
    #[error("the server cannot read what is stored now: try again later")]
    Storage(#[from] StorageError),
    /// The nodes cannot agree on who is there.
    #[error("the presence list cannot be reached now: try again later")]
    Presence,
}

/// Whether a connection is signed in as this user.
fn is_user(connection: &Connection, user: Option<UserId>) -> bool {
    user.is_some_and(|user| {
        connection
            .signed_in()
            .is_some_and(|signed| signed.user == user)
    })
}

/// Who joins a presence channel: who the channel data says, or else who is signed in.
fn member_of(connection: &Connection, subscribe: &Subscribe) -> Option<Member> {
    match (subscribe.channel.kind(), &subscribe.channel_data) {
        (ChannelKind::Presence, Some(data)) => data.member(),
        (ChannelKind::Presence, None) => connection.signed_in().map(|signed| signed.as_member()),
        _ => None,
    }
}

impl Service {
    /// Puts a connection on a channel, or refreshes the place that it has. The place is taken first, so that from then on
    /// live frames gather in the mailbox; the caller answers before it takes them out. Channels that the connection is not
    /// on any more after it are added to `left`.
    pub async fn subscribe(
        &self,
        connection: &Connection,
        subscribe: &Subscribe,
        left: &mut Vec<ChannelName>,
    ) -> Result<Subscribed, SubscribeError> {
        let app = connection.app();
        let peer_member = self.authorise(&app, connection, subscribe)?;
        self.check_member(&app, connection, subscribe)?;
        if peer_member {
            return self.replayed(&app, connection, subscribe).await;
        }
        let had = connection
            .place(&subscribe.channel)
            .is_some_and(|place| place.direct);
        self.check_count(&app, connection, had)?;
        let result = match subscribe.channel.kind() {
            ChannelKind::Personal => {
                self.subscribe_personal(&app, connection, subscribe, left)
                    .await
            }
            _ => self.subscribe_one(&app, connection, subscribe).await,
        };
        // Who found no place on a presence channel is not on it, whoever it was there before.
        if result.is_err() && (!had || matches!(result, Err(SubscribeError::Members(_)))) {
            left.extend(self.unsubscribe(connection, &subscribe.channel).await);
        }
        result
    }

    /// Checks the signature. `true`: the channel is a peer channel on which the socket is by being present.
    fn authorise(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<bool, SubscribeError> {
        let channel = &subscribe.channel;
        match channel.kind() {
            ChannelKind::Public => return Ok(false),
            ChannelKind::User if is_user(connection, channel.server_user()) => return Ok(false),
            // No signature opens another user's channel.
            ChannelKind::User => return Err(SubscribeError::NotUser),
            ChannelKind::Personal if is_user(connection, channel.personal_user()) => {
                return Ok(false);
            }
            ChannelKind::Peer if subscribe.auth.as_deref().is_none_or(str::is_empty) => {
                let presence = PeerChannel::parse(channel.as_str())
                    .map(|peer| peer.presence())
                    .unwrap_or_default();
                return if connection.is_on(channel) {
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

    fn check_member(
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
        let most = app
            .settings
            .limits
            .max_member_bytes
            .unwrap_or(self.rules.limits.member_bytes);
        if most != 0 && bytes as u64 > most {
            return Err(SubscribeError::MemberBytes(most));
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

    /// How many channels a socket may subscribe to; 0: any number.
    pub fn most_channels(&self, app: &App) -> u64 {
        app.settings
            .limits
            .max_channels_per_connection
            .unwrap_or(self.rules.limits.channels_per_connection)
    }

    fn check_count(
        &self,
        app: &App,
        connection: &Connection,
        had: bool,
    ) -> Result<(), SubscribeError> {
        let most = self.most_channels(app);
        if had || most == 0 {
            return Ok(());
        }
        if connection.direct_places() as u64 >= most {
            Err(SubscribeError::Channels(most))
        } else {
            Ok(())
        }
    }

    async fn subscribe_one(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        let member = member_of(connection, subscribe);
        let joined = self
            .enter(
                app,
                connection,
                &subscribe.channel,
                SubscribedVia::Direct,
                member.as_ref(),
            )
            .await?;
        let mut subscribed = self.replayed(app, connection, subscribe).await?;
        if let Some(joined) = joined {
            subscribed.members = joined.members;
            subscribed
                .versions
                .push((subscribe.channel.clone(), joined.version));
        }
        Ok(subscribed)
    }

    /// Takes the place: hears the channel, and joins as `member` where one is given. The place stands before the join, so
    /// that no announcement is missed between the two.
    pub(super) async fn enter(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
        hold: SubscribedVia,
        member: Option<&Member>,
    ) -> Result<Option<Joined>, SubscribeError> {
        let entered = connection.join(channel, hold, member);
        if let Some(before) = &entered.before {
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
        if entered.new {
            self.recount(app, channel, entered.first).await;
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
        let most = app
            .settings
            .limits
            .max_members
            .unwrap_or(self.rules.limits.members);
        let joined = self
            .ports
            .nodes
            .presence
            .join(&app.ident, channel, connection.id(), member.clone(), most)
            .await;
        joined
            .map_err(|_| SubscribeError::Presence)?
            .ok_or_else(|| {
                connection.anonymise(channel);
                SubscribeError::Members(most)
            })
    }

    /// What the client wants of the past.
    pub(super) async fn replayed(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        let since = match &subscribe.since {
            None if connection.dialect() == DialectId::Pusher => {
                return self
                    .default_replay(app, connection, &subscribe.channel)
                    .await;
            }
            None => return Ok(Subscribed::default()),
            Some(Since::Now) => None,
            Some(Since::Serial(serial)) => Some(*serial),
            Some(Since::Each(_)) => return Err(SubscribeError::Since),
        };
        let Replay {
            events,
            recovered,
            serial,
        } = self.replay(&app.ident, &subscribe.channel, since).await?;
        Ok(Subscribed {
            events,
            recovered: Some((recovered, serial)),
            covered: vec![(subscribe.channel.clone(), serial)],
            ..Subscribed::default()
        })
    }

    /// What a Pusher client is told of the past without asking.
    async fn default_replay(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Result<Subscribed, SubscribeError> {
        let mut subscribed = Subscribed::default();
        if let Some(count) = app.settings.replay_of(channel) {
            let limit = usize::try_from(self.rules.limits.replay)
                .ok()
                .filter(|limit| *limit != 0)
                .unwrap_or(usize::MAX);
            let Replay { events, serial, .. } = self
                .newest(&app.ident, channel, limit.min(count as usize))
                .await?;
            subscribed.events = events;
            subscribed.covered.push((channel.clone(), serial));
        }
        if subscribed.events.is_empty() && channel.is_cache() {
            subscribed.cached = Some(self.cached_for(app, connection, channel).await?);
        }
        Ok(subscribed)
    }

    /// Takes a connection off a channel that its client subscribed to; nothing happens where it was not. Answers the channels
    /// that it has left.
    pub async fn unsubscribe(
        &self,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Vec<ChannelName> {
        let mut left = Vec::new();
        if channel.kind() == ChannelKind::Personal {
            self.drop_aliases(connection, channel, &mut left).await;
        }
        self.give_up(connection, channel, SubscribedVia::Direct, &mut left)
            .await;
        left
    }

    pub(super) async fn give_up(
        &self,
        connection: &Connection,
        channel: &ChannelName,
        hold: SubscribedVia,
        left: &mut Vec<ChannelName>,
    ) {
        let Some(gone) = connection.leave(channel, hold) else {
            self.identify_by_alias(connection, channel).await;
            return;
        };
        self.after_leaving(&connection.app(), connection.id(), &gone)
            .await;
        left.push(gone.place.channel);
    }

    /// Tells the ports that a connection has left a channel.
    pub(super) async fn after_leaving(
        &self,
        app: &App,
        socket: SocketId,
        left: &UnsubscribeOutcome,
    ) {
        if let Some(user) = &left.place.user {
            self.leave_presence(app, &left.place.channel, socket, user)
                .await;
        }
        self.recount(app, &left.place.channel, left.last).await;
    }

    /// On a presence channel that only personal channels hold, a connection is who they say, or nobody.
    pub(super) async fn identify_by_alias(&self, connection: &Connection, channel: &ChannelName) {
        let held = connection
            .place(channel)
            .is_some_and(|place| place.alias && !place.direct);
        if channel.kind() != ChannelKind::Presence || !held {
            return;
        }
        let app = connection.app();
        if let Some(member) = connection.alias_member(channel) {
            // Where the channel is full, or presence is away, the connection still hears it.
            let _ = self
                .enter(
                    &app,
                    connection,
                    channel,
                    SubscribedVia::Alias,
                    Some(&member),
                )
                .await;
        } else if let Some(user) = connection.anonymise(channel) {
            self.leave_presence(&app, channel, connection.id(), &user)
                .await;
        }
    }

    async fn leave_presence(
        &self,
        app: &App,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) {
        // A presence store that is away notices a connection's end by its lease.
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

    /// Everybody on a presence channel, for an answer that shows it.
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
