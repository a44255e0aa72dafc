//! One connection's hold on the hub.

use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::NodeSlot;
use super::app::{AppHub, DisconnectOutcome, SubscribeOutcome, UnsubscribeOutcome};
use super::mailbox::Mailbox;
use super::parcel::{CloseReason, MailboxItem};
use super::signed::SignedIn;
use crate::core::model::{App, ChannelName, Member, PeerChannel, SocketId, UserId};
use crate::core::ports::DialectId;

/// Why a connection is on a channel. It is left when every hold has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribedVia {
    /// The client subscribed to it.
    Direct,
    /// The user of a personal channel that the connection is on follows it.
    Alias,
}

/// A connection's place on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The channel.
    pub channel: ChannelName,
    pub(super) seat: usize,
    /// Of the channel's name.
    pub(super) hash: u32,
    /// The client subscribed to it.
    pub direct: bool,
    /// It is held by a personal channel.
    pub alias: bool,
    /// The user that the connection is there as, on a presence channel.
    pub user: Option<UserId>,
}

/// One connection's hold on the hub, owned by the connection's task. Dropping it leaves everything locally; what it held
/// as a member must be given up first ([`Connection::disconnect`]).
pub struct Connection {
    _node: NodeSlot,
    hub: Arc<AppHub>,
    slot: usize,
    mailbox: Arc<Mailbox>,
    /// The personal channels that it is on.
    following: Mutex<Vec<Following>>,
}

/// What a personal channel brings with it.
struct Following {
    personal: ChannelName,
    /// Who the connection is on presence channels that it holds.
    member: Option<Member>,
    held: Vec<ChannelName>,
}

/// What a personal channel does not hold any more.
#[derive(Debug, Default)]
pub struct Released {
    /// Channels that no personal channel holds now.
    pub gone: Vec<ChannelName>,
    /// Channels that another personal channel holds.
    pub shared: Vec<ChannelName>,
}

impl Connection {
    pub(super) fn new(
        node: NodeSlot,
        hub: Arc<AppHub>,
        slot: usize,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            _node: node,
            hub,
            slot,
            mailbox,
            following: Mutex::default(),
        }
    }

    /// The connection's id.
    pub fn id(&self) -> SocketId {
        self.mailbox.id()
    }

    /// The app as it is now.
    pub fn app(&self) -> Arc<App> {
        self.hub.app()
    }

    /// Where this connection's frames wait.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// See [`Mailbox::poll_take`].
    pub fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut Vec<MailboxItem>,
    ) -> Poll<Option<CloseReason>> {
        self.mailbox.poll_take(cx, taken)
    }

    /// Goes on a channel, or adds a hold; see [`Subscription`].
    pub fn join(
        &self,
        channel: &ChannelName,
        hold: SubscribedVia,
        member: Option<&Member>,
    ) -> SubscribeOutcome {
        self.hub.join(self.slot, channel, hold, member)
    }

    /// Gives up a hold; answers the place where it was the last one.
    pub fn leave(&self, channel: &ChannelName, hold: SubscribedVia) -> Option<UnsubscribeOutcome> {
        self.hub.leave(self.slot, channel, hold)
    }

    /// The place on a channel, where there is one.
    pub fn place(&self, channel: &ChannelName) -> Option<Subscription> {
        self.hub.place(self.slot, channel.as_str())
    }

    /// How many channels its client subscribed to.
    pub fn direct_places(&self) -> usize {
        self.hub.direct_places(self.slot)
    }

    /// Becomes nobody on a presence channel and stays there; answers the user that it was.
    pub fn anonymise(&self, channel: &ChannelName) -> Option<UserId> {
        self.hub.anonymise(self.slot, channel)
    }

    /// The channels that a personal channel holds.
    pub fn aliases(&self, personal: &ChannelName) -> Vec<ChannelName> {
        let following = self.following.lock();
        following
            .iter()
            .find(|one| one.personal == *personal)
            .map_or_else(Vec::new, |one| one.held.clone())
    }

    /// Who the connection is on a presence channel by the personal channels that hold it.
    pub fn alias_member(&self, channel: &ChannelName) -> Option<Member> {
        let following = self.following.lock();
        following
            .iter()
            .filter(|one| one.held.contains(channel))
            .find_map(|one| one.member.clone())
    }

    /// Notes what a personal channel holds from now on, and who the connection is there.
    pub fn set_aliases(
        &self,
        personal: &ChannelName,
        held: &[ChannelName],
        member: Option<Member>,
    ) -> Released {
        let mut following = self.following.lock();
        let before = following
            .iter()
            .position(|one| one.personal == *personal)
            .map(|index| following.swap_remove(index).held);
        let elsewhere =
            |channel: &ChannelName| following.iter().any(|one| one.held.contains(channel));
        let released = before
            .unwrap_or_default()
            .into_iter()
            .filter(|channel| !held.contains(channel));
        let (shared, gone) = released.partition(elsewhere);
        if !held.is_empty() {
            following.push(Following {
                personal: personal.clone(),
                member,
                held: held.to_vec(),
            });
        }
        Released { gone, shared }
    }

    /// Every place, in the order of the channels' names.
    pub fn places(&self) -> Vec<Subscription> {
        self.hub.places(self.slot)
    }

    /// Whether what is published on the channel reaches this connection, so that it may publish there and ask of it.
    pub fn is_on(&self, channel: &ChannelName) -> bool {
        self.place(channel).is_some()
            || PeerChannel::parse(channel.as_str())
                .is_some_and(|peer| self.hub.is_peer(self.slot, &peer))
    }

    /// The dialect that it speaks.
    pub fn dialect(&self) -> DialectId {
        self.mailbox.dialect()
    }

    /// Who it is signed in as.
    pub fn signed_in(&self) -> Option<Arc<SignedIn>> {
        self.hub.signed_in(self.slot)
    }

    /// Notes who it is signed in as.
    pub fn sign_in(&self, signed: SignedIn) {
        self.hub.sign_in(self.slot, signed);
        self.mailbox.signed_in();
    }

    /// Leaves everything at once; answers what that was.
    pub fn disconnect(&self) -> DisconnectOutcome {
        self.hub.exit(self.slot, self.id())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.exit(self.slot, self.id());
    }
}
