//! The handle of one connection.

use ::core::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::NodeSlot;
use super::app::{AppHub, DisconnectOutcome, SubscribeOutcome, UnsubscribeOutcome};
use super::held_token::HeldToken;
use super::signed::SignedIn;
use super::subscriptions::{SubscribedVia, Subscription};
use super::write::{CloseReason, Mailbox, MailboxItem};
use crate::core::auth::TokenGrant;
use crate::core::model::{App, ChannelName, Member, PeerChannel, SocketId, UserId};
use crate::core::ports::{DialectId, Metrics};

/// The handle of one connection, owned by its session. Dropping it ends all its subscriptions on
/// this node; its memberships, which other nodes share, must be ended by the caller with the result
/// of [`Connection::disconnect`].
pub struct Connection {
    slot: NodeSlot,
    hub: Arc<AppHub>,
    key: usize,
    mailbox: Arc<Mailbox>,
    /// Few clients have any.
    extras: Mutex<Option<Box<Extras>>>,
}

/// What few connections have.
#[derive(Default)]
struct Extras {
    /// The personal channels that it is subscribed to.
    personal: Vec<PersonalChannel>,
    token: Option<Box<HeldToken>>,
}

/// A personal channel of a connection, and the channels that its user follows.
struct PersonalChannel {
    channel: ChannelName,
    /// The member as which the connection joins presence channels among the aliases.
    member: Option<AliasMember>,
    aliases: Vec<ChannelName>,
}

/// The member as which a connection joins presence channels through a personal channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasMember {
    /// The user of the personal channel's name.
    pub member: Member,
    /// Whether a signature, or a sign-in, covers the member's data.
    pub covered: bool,
}

impl AliasMember {
    /// The member, unless the app has required since the subscription that its data is signed.
    pub fn counts(&self, app: &App) -> Option<&Member> {
        (self.covered || !app.settings.signed_presence).then_some(&self.member)
    }
}

/// The channels that a personal channel no longer holds.
#[derive(Debug, Default)]
pub struct ReleasedChannels {
    /// Channels that no personal channel of the connection holds now.
    pub released: Vec<ChannelName>,
    /// Channels that another personal channel still holds.
    pub shared: Vec<ChannelName>,
}

impl Connection {
    pub(super) fn new(slot: NodeSlot, hub: Arc<AppHub>, key: usize, mailbox: Arc<Mailbox>) -> Self {
        Self {
            slot,
            hub,
            key,
            mailbox,
            extras: Mutex::default(),
        }
    }

    /// The client's address; `None`: not known.
    pub fn address(&self) -> Option<IpAddr> {
        self.mailbox.origin().address
    }

    /// Reads the personal channels.
    fn with_personal<T>(&self, read: impl FnOnce(&[PersonalChannel]) -> T) -> T {
        let extras = self.extras.lock();
        read(extras.as_ref().map_or(&[], |extras| &extras.personal))
    }

    /// Reads or changes the token, where there is one.
    fn with_token<T>(&self, act: impl FnOnce(&mut HeldToken) -> T) -> Option<T> {
        let mut extras = self.extras.lock();
        extras.as_mut()?.token.as_deref_mut().map(act)
    }

    /// The connection's id.
    pub fn id(&self) -> SocketId {
        self.mailbox.id()
    }

    /// The app with its current settings.
    pub fn app(&self) -> Arc<App> {
        self.hub.app()
    }

    /// The queue of this connection's frames.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// The node's metrics.
    pub fn metrics(&self) -> &dyn Metrics {
        &*self.slot.0.metrics
    }

    /// See [`Mailbox::poll_take`].
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut Vec<MailboxItem>,
    ) -> Poll<Option<CloseReason>> {
        self.mailbox.poll_take(cx, taken)
    }

    /// Subscribes to a channel, or adds `via` to the subscription. With `member` the connection
    /// becomes one of that user on a presence channel.
    pub fn subscribe(
        &self,
        channel: &ChannelName,
        via: SubscribedVia,
        member: Option<&Member>,
    ) -> SubscribeOutcome {
        self.hub.subscribe(self.key, channel, via, member)
    }

    /// Removes `via` from a subscription. Returns the subscription if that ended it; `None`: it
    /// continues, or there was none.
    pub fn unsubscribe(
        &self,
        channel: &ChannelName,
        via: SubscribedVia,
    ) -> Option<UnsubscribeOutcome> {
        self.hub.unsubscribe(self.key, channel, via)
    }

    /// The subscription to a channel, where there is one.
    pub fn subscription(&self, channel: &ChannelName) -> Option<Subscription> {
        self.hub.subscription(self.key, channel.as_str())
    }

    /// The number of channels that the client subscribed to itself.
    pub fn client_subscription_count(&self) -> usize {
        self.hub.client_subscription_count(self.key)
    }

    /// Ends the membership of a presence channel, but not the subscription; returns the user that
    /// the connection was a member as.
    pub fn clear_member(&self, channel: &ChannelName) -> Option<UserId> {
        self.hub.clear_member(self.key, channel)
    }

    /// The channels that a personal channel holds.
    pub fn aliases(&self, personal: &ChannelName) -> Vec<ChannelName> {
        self.with_personal(|channels| {
            channels
                .iter()
                .find(|one| one.channel == *personal)
                .map_or_else(Vec::new, |one| one.aliases.clone())
        })
    }

    /// The member as which the connection is on a presence channel through a personal channel.
    pub fn alias_member(&self, channel: &ChannelName, app: &App) -> Option<Member> {
        self.with_personal(|channels| {
            channels
                .iter()
                .filter(|one| one.aliases.contains(channel))
                .find_map(|one| one.member.as_ref()?.counts(app).cloned())
        })
    }

    /// The member as which the connection joins presence channels through this personal channel.
    pub fn personal_member(&self, personal: &ChannelName) -> Option<AliasMember> {
        self.with_personal(|channels| {
            channels
                .iter()
                .find(|one| one.channel == *personal)
                .and_then(|one| one.member.clone())
        })
    }

    /// Replaces the channels that a personal channel holds, and the member as which the connection
    /// joins the presence channels among them. Without both the personal channel is forgotten.
    pub fn set_aliases(
        &self,
        personal: &ChannelName,
        aliases: &[ChannelName],
        member: Option<AliasMember>,
    ) -> ReleasedChannels {
        let mut extras = self.extras.lock();
        let channels = &mut extras.get_or_insert_default().personal;
        let previous = channels
            .iter()
            .position(|one| one.channel == *personal)
            .map(|index| channels.swap_remove(index).aliases);
        let is_shared =
            |channel: &ChannelName| channels.iter().any(|one| one.aliases.contains(channel));
        let (shared, released) = previous
            .unwrap_or_default()
            .into_iter()
            .filter(|channel| !aliases.contains(channel))
            .partition(is_shared);
        if !aliases.is_empty() || member.is_some() {
            channels.push(PersonalChannel {
                channel: personal.clone(),
                member,
                aliases: aliases.to_vec(),
            });
        }
        ReleasedChannels { released, shared }
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.hub.subscriptions(self.key)
    }

    /// Whether the connection receives events of the channel, by a subscription or as a peer, and
    /// so may publish to it and read its history.
    pub fn receives(&self, channel: &ChannelName) -> bool {
        self.subscription(channel).is_some()
            || PeerChannel::parse(channel.as_str())
                .is_some_and(|peer| self.hub.is_peer(self.key, &peer))
    }

    /// The user that the connection is signed in as, or that it is on a presence channel.
    pub fn user(&self) -> Option<UserId> {
        self.hub.user_of(self.key)
    }

    /// The dialect that the client uses.
    pub fn dialect(&self) -> DialectId {
        self.mailbox.dialect()
    }

    /// The user that the connection is signed in as.
    pub fn signed_in(&self) -> Option<Arc<SignedIn>> {
        self.hub.signed_in(self.key)
    }

    /// Signs the connection in, in place of the user that it was signed in as.
    pub fn sign_in(&self, signed: SignedIn) {
        self.hub.sign_in(self.key, signed);
        self.mailbox.clear_sign_in_deadline();
    }

    /// Ends the sign-in.
    pub fn sign_out(&self) {
        self.hub.sign_out(self.key);
    }

    /// What the connection's token grants; `None`: it has none.
    pub fn token(&self) -> Option<Arc<TokenGrant>> {
        self.with_token(|held| Arc::clone(&held.grant))
    }

    /// Whether the connection is signed in by its token.
    pub fn is_signed_in_by_token(&self) -> bool {
        self.with_token(|held| held.signed_in).unwrap_or(false)
    }

    /// Records whether the connection is signed in by its token.
    pub fn set_signed_in_by_token(&self, signed_in: bool) {
        self.with_token(|held| held.signed_in = signed_in);
    }

    /// Holds a token in place of an earlier one. Returns the channels that were subscribed to by the earlier one, and that the
    /// new one does not cover.
    pub fn hold_token(&self, grant: Arc<TokenGrant>) -> Vec<ChannelName> {
        let mut extras = self.extras.lock();
        let token = &mut extras.get_or_insert_default().token;
        match token {
            Some(held) => {
                held.grant = grant;
                held.take_uncovered()
            }
            None => {
                *token = Some(Box::new(HeldToken {
                    grant,
                    channels: Vec::new(),
                    signed_in: false,
                }));
                Vec::new()
            }
        }
    }

    /// Gives up the token.
    pub fn take_token(&self) -> Option<Box<HeldToken>> {
        self.extras.lock().as_mut()?.token.take()
    }

    /// Whether the client subscribed to a channel by its token.
    pub fn is_by_token(&self, channel: &ChannelName) -> bool {
        self.with_token(|held| held.channels.contains(channel))
            .unwrap_or(false)
    }

    /// Records whether the client's subscription to a channel is by its token.
    pub fn set_by_token(&self, channel: &ChannelName, by_token: bool) {
        self.with_token(|held| {
            held.channels.retain(|other| other != channel);
            if by_token {
                held.channels.push(channel.clone());
            }
        });
    }

    /// Ends all subscriptions and the sign-in, and returns them.
    pub fn disconnect(&self) -> DisconnectOutcome {
        self.hub.disconnect(self.key, self.id())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.disconnect(self.key, self.id());
    }
}
